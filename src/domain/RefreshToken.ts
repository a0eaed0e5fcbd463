// The refresh family's rule. Every refresh token of a session that ever was is exactly one of: the present one, the one
// before it, or stolen goods (RFC 9700 section 4.14.2).
import { Schema } from "effect"
import { SessionId } from "./Ids.ts"
import type { SessionRecord } from "./Session.ts"

export class InvalidRefreshToken extends Schema.TaggedError<InvalidRefreshToken>()("InvalidRefreshToken", {}) {}

export class RefreshTokenReused extends Schema.TaggedError<RefreshTokenReused>()("RefreshTokenReused", {
  sessionId: SessionId
}) {}

export type RefreshVerdict =
  /** The present token: the next pair replaces it. */
  | { readonly _tag: "Rotate" }
  /** The one before, within the grace window: the same successor again, derived from the kept salt. */
  | { readonly _tag: "Repeat"; readonly salt: Uint8Array }
  /** The one before, whose successor nobody ever used: a fresh successor in its place. */
  | { readonly _tag: "Replace"; readonly salt: Uint8Array }
  /** Any other token of a live session: revoke. */
  | { readonly _tag: "Reused" }
  /** A token of a session that reuse has already ended. */
  | { readonly _tag: "ReusedBefore" }
  /** The session is over, or its refresh token has expired. */
  | { readonly _tag: "Over" }

export const judgeRefresh = (
  record: Pick<SessionRecord, "endReason" | "sessionLeft" | "refresh">,
  digest: Uint8Array,
  options: {
    readonly graceSeconds: number
    readonly matches: (left: Uint8Array, right: Uint8Array) => boolean
  }
): RefreshVerdict => {
  const { refresh } = record
  if (record.endReason === "reuse") return { _tag: "ReusedBefore" }
  if (record.endReason !== null || record.sessionLeft <= 0 || refresh.left <= 0) return { _tag: "Over" }
  if (options.matches(refresh.digest, digest)) return { _tag: "Rotate" }
  if (refresh.previousDigest === null || refresh.salt === null) return { _tag: "Reused" }
  if (!options.matches(refresh.previousDigest, digest)) return { _tag: "Reused" }
  if (refresh.sinceRotation < options.graceSeconds) return { _tag: "Repeat", salt: refresh.salt }
  return refresh.used ? { _tag: "Reused" } : { _tag: "Replace", salt: refresh.salt }
}
