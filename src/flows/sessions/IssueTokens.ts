// The one place where a session comes into being. The raw tokens leave here once; the store only sees their digests.
import { Effect, Metric } from "effect"
import { Event } from "../../domain/Event.ts"
import type { TenantId } from "../../domain/Ids.ts"
import type { MintedTokens, SignedIn } from "../../domain/Session.ts"
import { sessionsIssued } from "../../Metrics.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { EventBus } from "../../services/EventBus.ts"
import { TokenCodec } from "../../services/TokenCodec.ts"
import type { Opened } from "../../services/TokenStore.ts"
import { auditEnded } from "./AuditEnded.ts"

export const issueTokens = Effect.fnUntraced(function* <E, R>(
  tenantId: TenantId,
  method: "auto" | "password" | "register",
  open: (tokens: MintedTokens) => Effect.Effect<Opened, E, R>
): Effect.fn.Return<SignedIn, E, R | TokenCodec | EventBus | AuditLog> {
  const codec = yield* TokenCodec
  const bus = yield* EventBus
  const audit = yield* AuditLog
  const tokens = yield* codec.mintSession
  const opened = yield* open(tokens)
  if (opened.evicted.length > 0) {
    yield* bus.publish(Event.SessionsEnded({ sessionIds: opened.evicted, reason: "evicted" }))
    yield* auditEnded(tenantId, opened.user.id, opened.evicted, "evicted")
  }
  yield* audit.record({
    tenantId,
    type: "signed_in",
    userId: opened.user.id,
    sessionId: tokens.sessionId,
    detail: { method }
  })
  yield* Metric.update(sessionsIssued[method], 1)
  yield* Effect.logDebug("Signed in").pipe(
    Effect.annotateLogs({ method, userId: opened.user.id, sessionId: tokens.sessionId })
  )
  return {
    sessionId: tokens.sessionId,
    token: tokens.token,
    refreshToken: tokens.refreshToken,
    expiresIn: opened.expiresIn,
    user: opened.user
  }
})
