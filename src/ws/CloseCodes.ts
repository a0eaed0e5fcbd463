// Every close that this side decides on, once. A client may act on the code alone: each means one thing to do next.
import { Effect, Metric } from "effect"
import * as Socket from "effect/socket/Socket"
import { socketCloses } from "../Metrics.ts"

export const badMessages = new Socket.CloseEvent(4400, "bad_messages")
export const sessionRevoked = new Socket.CloseEvent(4401, "session_revoked")
export const sessionExpired = new Socket.CloseEvent(4401, "session_expired")
export const userBanned = new Socket.CloseEvent(4403, "user_banned")
export const tenantSuspended = new Socket.CloseEvent(4403, "tenant_suspended")
export const slowConsumer = new Socket.CloseEvent(4408, "slow_consumer")
export const noPong = new Socket.CloseEvent(4408, "no_pong")
export const tooManySockets = new Socket.CloseEvent(4429, "too_many_sockets")
export const tooManyFrames = new Socket.CloseEvent(4429, "rate_limited")
/** Come back after a random pause. */
export const restarting = new Socket.CloseEvent(1012, "restarting")
export const internalError = new Socket.CloseEvent(1011, "internal_error")

/** Counts closes, for who is no Effect. */
export const closeCounter = Effect.map(
  Effect.context<never>(),
  (context) => (code: number): void =>
    Metric.withAttributes(socketCloses, { code: String(code) }).updateUnsafe(1, context)
)
