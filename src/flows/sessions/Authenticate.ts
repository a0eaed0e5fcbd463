// A session token becomes a principal, by its row alone: nothing is believed that the database does not say now.
import { Effect, Option, type Redacted } from "effect"
import type { SessionPrincipal } from "../../domain/Principal.ts"
import { InvalidToken, judgeAccess, type SessionRecord, TokenExpired } from "../../domain/Session.ts"
import { TenantSuspended } from "../../domain/Tenant.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { UserBanned } from "../../domain/User.ts"
import { TokenCodec } from "../../services/TokenCodec.ts"
import { TokenStore } from "../../services/TokenStore.ts"

export const authenticate = Effect.fn("authenticate")(function* (token: Redacted.Redacted): Effect.fn.Return<
  SessionPrincipal,
  InvalidToken | TokenExpired | UserBanned | TenantSuspended | StoreUnavailable,
  TokenCodec | TokenStore
> {
  const codec = yield* TokenCodec
  const store = yield* TokenStore
  const presented = codec.parseToken(token)
  if (Option.isNone(presented)) return yield* new InvalidToken()
  const found = yield* store.find(presented.value.sessionId)
  if (Option.isNone(found)) return yield* new InvalidToken()
  const record = found.value
  const verdict = judgeAccess(record, presented.value.digest, codec.matches)
  if (verdict === "Unknown") return yield* new InvalidToken()
  if (record.userBanned) return yield* new UserBanned({ userId: record.user.id })
  if (record.tenantSuspended) return yield* new TenantSuspended({ tenantId: record.tenantId })
  if (verdict === "Ended") return yield* new InvalidToken()
  if (verdict === "Expired") return yield* new TokenExpired()
  if (verdict === "Current" && !record.refresh.used) {
    yield* store.markUsed(record.id, presented.value.digest)
  }
  return principalOf(record, verdict)
})

export const principalOf = (record: SessionRecord, verdict: "Current" | "Previous"): SessionPrincipal => ({
  sessionId: record.id,
  tenantId: record.tenantId,
  appId: record.appId,
  user: record.user,
  expiresIn: Math.min(verdict === "Current" ? record.access.left : record.access.previousLeft, record.sessionLeft),
  issuedAgo: record.refresh.sinceRotation,
  allowedOrigins: record.allowedOrigins,
  queryTokens: record.queryTokens
})
