// A session: one signed-in device of one user. Its row is the only truth about the tokens that name it.
// Times are the database's: a record holds what is left of each period in seconds, never a wall-clock reading.
import { Context, Duration, type Redacted, Schema } from "effect"
import type { AppId, SessionId, TenantId } from "./Ids.ts"
import type { User } from "./User.ts"

export interface SessionPolicy {
  /** A session token's life. */
  readonly accessTtl: Duration.Duration
  /** A refresh token's life, from the refresh that made it. */
  readonly refreshTtl: Duration.Duration
  /** A session's life, however often it is refreshed. */
  readonly sessionTtl: Duration.Duration
  /** How long the token pair before the last refresh is still served. */
  readonly refreshGrace: Duration.Duration
  /** Live sessions a user may have; one more ends the oldest. */
  readonly maxPerUser: number
}

export const SessionPolicy = Context.Reference<SessionPolicy>("roomkey/domain/SessionPolicy", {
  defaultValue: () => ({
    accessTtl: Duration.hours(1),
    refreshTtl: Duration.days(30),
    sessionTtl: Duration.days(90),
    refreshGrace: Duration.seconds(30),
    maxPerUser: 100
  })
})

/** What a client is given. Each token is 64 hex characters; `expiresIn` is the session token's life in seconds. */
export interface TokenPair {
  readonly token: Redacted.Redacted
  readonly refreshToken: Redacted.Redacted
  readonly expiresIn: number
}

/** A token pair and whom it signs in. */
export interface SignedIn extends TokenPair {
  readonly sessionId: SessionId
  readonly user: User
}

/** What a token is looked up and compared by: its id half in clear, its secret half hashed. */
export interface HashedToken {
  readonly sessionId: SessionId
  readonly digest: Uint8Array
}

/** The same and the token as it was presented, to derive a successor from. */
export interface PresentedToken extends HashedToken {
  readonly token: Redacted.Redacted
}

/** A token pair before it is handed out, with the digests that the row keeps. */
export interface MintedTokens {
  readonly sessionId: SessionId
  readonly token: Redacted.Redacted
  readonly refreshToken: Redacted.Redacted
  readonly accessDigest: Uint8Array
  readonly refreshDigest: Uint8Array
}

export const EndReason = Schema.Literals([
  "logout",
  "reuse",
  "evicted",
  "password_changed",
  "revoked",
  "user_banned",
  "user_erased"
])
export type EndReason = typeof EndReason.Type

export interface SessionRecord {
  readonly id: SessionId
  readonly tenantId: TenantId
  readonly appId: AppId
  readonly tenantSuspended: boolean
  readonly allowedOrigins: ReadonlyArray<string>
  readonly queryTokens: boolean
  readonly user: User
  readonly userBanned: boolean
  readonly endReason: EndReason | null
  /** Seconds until the session ends for good, refreshed or not; negative once it has. */
  readonly sessionLeft: number
  readonly access: {
    readonly digest: Uint8Array
    readonly left: number
    readonly previousDigest: Uint8Array | null
    readonly previousLeft: number
  }
  readonly refresh: {
    readonly digest: Uint8Array
    readonly left: number
    readonly previousDigest: Uint8Array | null
    /** Seconds since the last refresh. */
    readonly sinceRotation: number
    /** From what the present pair was derived; `null` until the first refresh. */
    readonly salt: Uint8Array | null
    /** Whether the present pair was used: its session token accepted, or its refresh token presented. */
    readonly used: boolean
  }
}

/** A session as its user, or its tenant, sees it. Times are milliseconds of the Unix epoch. */
export interface SessionInfo {
  readonly id: SessionId
  readonly createdAt: number
  /** The last sign-in or refresh. */
  readonly lastSeenAt: number
  /** When it ends if it is never refreshed again. */
  readonly expiresAt: number
  /** Where the last sign-in or refresh came from, if it is known. */
  readonly address: string | null
  readonly userAgent: string | null
}

export class SessionNotFound extends Schema.TaggedError<SessionNotFound>()("SessionNotFound", {}) {}

export class InvalidToken extends Schema.TaggedError<InvalidToken>()("InvalidToken", {}) {}

export class TokenExpired extends Schema.TaggedError<TokenExpired>()("TokenExpired", {}) {}

type Matches = (left: Uint8Array, right: Uint8Array) => boolean

export type AccessVerdict = "Current" | "Previous" | "Expired" | "Ended" | "Unknown"

/** What a session token whose secret hashes to `digest` is worth now. */
export const judgeAccess = (record: SessionRecord, digest: Uint8Array, matches: Matches): AccessVerdict => {
  const { access } = record
  const current = matches(access.digest, digest)
  const previous = access.previousDigest !== null && matches(access.previousDigest, digest)
  if (!current && !previous) return "Unknown"
  if (record.endReason !== null) return "Ended"
  const left = Math.min(record.sessionLeft, current ? access.left : access.previousLeft)
  if (left <= 0) return "Expired"
  return current ? "Current" : "Previous"
}
