import { Context, type Effect, type Option } from "effect"
import type { InvalidApiKey } from "../domain/ApiKey.ts"
import type { ApiKeyId, SessionId, TenantId, UserId } from "../domain/Ids.ts"
import type { InvalidCredentials } from "../domain/Password.ts"
import type { EndReason, MintedTokens, SessionInfo, SessionRecord } from "../domain/Session.ts"
import type { TenantSuspended } from "../domain/Tenant.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"
import type { CustomIdImmutable, CustomIdTaken, Profile, User, UserBanned } from "../domain/User.ts"

export interface Opened {
  readonly user: User
  /** The session token's life in seconds. */
  readonly expiresIn: number
  /** Sessions that made room for this one. */
  readonly evicted: ReadonlyArray<SessionId>
}

/**
 * Sessions and their token families. Every method is one transaction; a failure leaves nothing behind.
 * `StoreUnavailable` means that nothing is known: not that a token is bad.
 */
export class TokenStore extends Context.Service<TokenStore, {
  /**
   * Finds or creates the user that `profile` names, brings its profile up to date and opens a session for it.
   * The key is checked again where the row is written: `InvalidApiKey` once it was revoked or has expired.
   */
  readonly openForProfile: (
    tenantId: TenantId,
    apiKeyId: ApiKeyId,
    profile: Profile,
    tokens: MintedTokens
  ) => Effect.Effect<
    Opened,
    InvalidApiKey | TenantSuspended | UserBanned | CustomIdTaken | CustomIdImmutable | StoreUnavailable
  >
  /** Opens a session for a user whose password hash is still `passwordHash`: `InvalidCredentials` when it no longer is. */
  readonly openForPassword: (
    tenantId: TenantId,
    userId: UserId,
    passwordHash: string,
    tokens: MintedTokens
  ) => Effect.Effect<Opened, InvalidCredentials | TenantSuspended | UserBanned | StoreUnavailable>
  readonly find: (sessionId: SessionId) => Effect.Effect<Option.Option<SessionRecord>, StoreUnavailable>
  /** `find` for many, in one round trip; ids that name nothing are left out. */
  readonly findAll: (
    sessionIds: ReadonlyArray<SessionId>
  ) => Effect.Effect<ReadonlyArray<SessionRecord>, StoreUnavailable>
  /** Remembers that the present token pair was used, if `accessDigest` still belongs to it. */
  readonly markUsed: (sessionId: SessionId, accessDigest: Uint8Array) => Effect.Effect<void, StoreUnavailable>
  /**
   * Replaces the present pair by `next`, if `presentedDigest` still is the present refresh token of a live session of
   * a user in good standing. Answers the session token's life in seconds, or nothing where the condition did not hold.
   */
  readonly rotate: (
    presentedDigest: Uint8Array,
    salt: Uint8Array,
    next: MintedTokens
  ) => Effect.Effect<Option.Option<number>, StoreUnavailable>
  /** Replaces the unused successor of `presentedDigest` by `next`, if `expectedSalt` still is the one that made it. */
  readonly replaceUnused: (
    presentedDigest: Uint8Array,
    expectedSalt: Uint8Array,
    salt: Uint8Array,
    next: MintedTokens
  ) => Effect.Effect<Option.Option<number>, StoreUnavailable>
  /** The user's live sessions, newest first. */
  readonly list: (
    tenantId: TenantId,
    userId: UserId
  ) => Effect.Effect<ReadonlyArray<SessionInfo>, StoreUnavailable>
  /** Ends every session of a user but `keep`; answers those that this call ended. */
  readonly endAll: (
    tenantId: TenantId,
    userId: UserId,
    reason: EndReason,
    options?: { readonly keep: SessionId }
  ) => Effect.Effect<ReadonlyArray<SessionId>, StoreUnavailable>
  /** Ends a session of the tenant, and of the user where one is named. Answers whether it was live. */
  readonly endWithin: (
    tenantId: TenantId,
    userId: UserId | null,
    sessionId: SessionId,
    reason: EndReason
  ) => Effect.Effect<boolean, StoreUnavailable>
  /** Ends a session and tells every instance. Answers whether this call ended it. */
  readonly end: (sessionId: SessionId, reason: EndReason) => Effect.Effect<boolean, StoreUnavailable>
}>()("roomkey/services/TokenStore") {}
