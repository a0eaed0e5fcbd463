// A session's end: in the database first, then at once on this instance; the statement itself tells the others.
import { Effect, Metric } from "effect"
import { Event } from "../../domain/Event.ts"
import type { SessionId } from "../../domain/Ids.ts"
import type { EndReason } from "../../domain/Session.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { sessionsEnded } from "../../Metrics.ts"
import { EventBus } from "../../services/EventBus.ts"
import { TokenStore } from "../../services/TokenStore.ts"

export const endSession = Effect.fn("endSession")(function* (
  sessionId: SessionId,
  reason: EndReason
): Effect.fn.Return<void, StoreUnavailable, TokenStore | EventBus> {
  const store = yield* TokenStore
  const bus = yield* EventBus
  const ended = yield* store.end(sessionId, reason)
  if (ended) yield* Metric.update(Metric.withAttributes(sessionsEnded, { reason }), 1)
  yield* bus.publish(Event.SessionsEnded({ sessionIds: [sessionId], reason }))
})
