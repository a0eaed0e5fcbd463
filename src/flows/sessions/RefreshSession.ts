// A refresh token is traded for the next pair. The same token gives the same pair for a while (lost answers, two tabs),
// and a device that never used its successor may come back with the old one; anything else is reuse.
import { Duration, Effect, Metric, Option, type Redacted } from "effect"
import { nobody, type RateLimited } from "../../domain/RateLimit.ts"
import { InvalidRefreshToken, judgeRefresh, RefreshTokenReused } from "../../domain/RefreshToken.ts"
import { type MintedTokens, type PresentedToken, SessionPolicy, type TokenPair } from "../../domain/Session.ts"
import { TenantSuspended } from "../../domain/Tenant.ts"
import { StoreUnavailable } from "../../domain/Unavailable.ts"
import { UserBanned } from "../../domain/User.ts"
import { refreshes } from "../../Metrics.ts"
import type { AuditLog } from "../../services/AuditLog.ts"
import type { EventBus } from "../../services/EventBus.ts"
import { RateLimits } from "../../services/RateLimits.ts"
import { TokenCodec } from "../../services/TokenCodec.ts"
import { TokenStore } from "../../services/TokenStore.ts"
import { withSpan } from "../Span.ts"
import { detectTokenReuse } from "./DetectTokenReuse.ts"

/** A verdict is acted on only if the row still is as it was read; another call may win the race this many times. */
const maxAttempts = 5

/** Failures count against `address`, the client's: who guesses at tokens, or replays them, is soon not listened to. */
export const refreshSession = Effect.fnUntraced(function* (
  refreshToken: Redacted.Redacted,
  address: string = nobody
): Effect.fn.Return<
  TokenPair,
  InvalidRefreshToken | RefreshTokenReused | RateLimited | UserBanned | TenantSuspended | StoreUnavailable,
  TokenCodec | TokenStore | RateLimits | EventBus | AuditLog
> {
  const limits = yield* RateLimits
  const codec = yield* TokenCodec
  const store = yield* TokenStore
  yield* limits.check("refresh_failure", address)
  const failed = limits.take("refresh_failure", address)
  const parsed = codec.parseToken(refreshToken)
  if (Option.isNone(parsed)) return yield* Effect.andThen(failed, new InvalidRefreshToken())
  const presented = parsed.value
  const salt = yield* codec.salt
  const fresh = codec.successor(presented, salt)
  const rotated = yield* store.rotate(presented.digest, salt, fresh)
  if (Option.isSome(rotated)) {
    yield* Metric.update(refreshes.rotated, 1)
    return pair(fresh, rotated.value)
  }
  return yield* judge(presented, salt, fresh).pipe(
    Effect.tapErrorTag("InvalidRefreshToken", () => failed),
    Effect.tapErrorTag("RefreshTokenReused", () => failed)
  )
}, withSpan("refreshSession"))

/** What becomes of a token that is not the present one of a live session, or was not a moment ago. */
const judge = Effect.fnUntraced(function* (
  presented: PresentedToken,
  freshSalt: Uint8Array,
  fresh: MintedTokens
): Effect.fn.Return<
  TokenPair,
  InvalidRefreshToken | RefreshTokenReused | UserBanned | TenantSuspended | StoreUnavailable,
  TokenCodec | TokenStore | EventBus | AuditLog
> {
  const codec = yield* TokenCodec
  const store = yield* TokenStore
  const policy = yield* SessionPolicy

  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const found = yield* store.find(presented.sessionId)
    if (Option.isNone(found)) return yield* new InvalidRefreshToken()
    const record = found.value
    const verdict = judgeRefresh(record, presented.digest, {
      graceSeconds: Duration.toSeconds(policy.refreshGrace),
      matches: codec.matches
    })
    switch (verdict._tag) {
      case "ReusedBefore":
        return yield* new RefreshTokenReused({ sessionId: record.id })
      case "Over": {
        // A ban ends sessions too; its reason is told to who holds a token of the session, and to nobody else.
        const { digest, previousDigest } = record.refresh
        const isOwn = codec.matches(digest, presented.digest) ||
          (previousDigest !== null && codec.matches(previousDigest, presented.digest))
        if (record.userBanned && isOwn) return yield* new UserBanned({ userId: record.user.id })
        return yield* new InvalidRefreshToken()
      }
      case "Reused":
        yield* Metric.update(refreshes.reused, 1)
        return yield* detectTokenReuse(record)
    }
    if (record.userBanned) return yield* new UserBanned({ userId: record.user.id })
    if (record.tenantSuspended) return yield* new TenantSuspended({ tenantId: record.tenantId })
    if (verdict._tag === "Repeat") {
      yield* Metric.update(refreshes.repeated, 1)
      return pair(codec.successor(presented, verdict.salt), Math.max(0, Math.floor(record.access.left)))
    }
    if (verdict._tag === "Replace") {
      const replaced = yield* store.replaceUnused(presented.digest, verdict.salt, freshSalt, fresh)
      if (Option.isSome(replaced)) {
        yield* Metric.update(refreshes.replaced, 1)
        return pair(fresh, replaced.value)
      }
    }
    const rotated = yield* store.rotate(presented.digest, freshSalt, fresh)
    if (Option.isSome(rotated)) {
      yield* Metric.update(refreshes.rotated, 1)
      return pair(fresh, rotated.value)
    }
  }
  return yield* new StoreUnavailable({ operation: "refreshSession", cause: "the session kept changing" })
})

const pair = (tokens: MintedTokens, expiresIn: number): TokenPair => ({
  token: tokens.token,
  refreshToken: tokens.refreshToken,
  expiresIn
})
