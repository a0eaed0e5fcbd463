// Events between instances over NOTIFY. The statement that changes something notifies in its own transaction; this file
// only hears.
import { Duration, Effect, Layer, Option, Schema } from "effect"
import { Event } from "../domain/Event.ts"
import { SessionId, TenantId, UserId } from "../domain/Ids.ts"
import { EndReason } from "../domain/Session.ts"
import { EventBus, maxLag } from "../services/EventBus.ts"
import { type Channel, Notifications } from "./Notifications.ts"

const channel: Channel = "roomkey"

/** A beat is sent, comes back, and the next is sent and comes back, well within `maxLag`. */
const beatEvery = Duration.millis(250)

const decodeReason = Schema.decodeUnknownOption(EndReason)
const decodeSessionId = Schema.decodeUnknownOption(SessionId)
const decodeUserId = Schema.decodeUnknownOption(Schema.NumberFromString.pipe(Schema.decodeTo(UserId)))
const decodeTenantId = Schema.decodeUnknownOption(Schema.NumberFromString.pipe(Schema.decodeTo(TenantId)))

/**
 * `ended <reason> <session id>`, `changed <user id>`, `tenant <tenant id>` after a change to how its users are served, or
 * `recheck` after one that may end sessions of a whole tenant. A word from a newer version is no event for this one.
 */
export const parsePayload = (payload: string): Option.Option<Event> => {
  const [word, about, id] = payload.split(" ")
  switch (word) {
    case "recheck":
      return Option.some(Event.Gap())
    case "changed":
      return Option.map(decodeUserId(about), (userId) => Event.UserChanged({ userId }))
    case "tenant":
      return Option.map(decodeTenantId(about), (tenantId) => Event.TenantChanged({ tenantId }))
    case "ended":
      return Option.map(
        Option.all([decodeReason(about), decodeSessionId(id)]),
        ([reason, sessionId]) => Event.SessionsEnded({ sessionIds: [sessionId], reason })
      )
  }
  return Option.none()
}

export const layer: Layer.Layer<EventBus, never, Notifications> = Layer.effect(
  EventBus,
  Effect.gen(function* () {
    const notifications = yield* Notifications
    let lag = () => Infinity
    const bus = yield* EventBus.make(() => lag() < maxLag)
    lag = yield* notifications.hear(channel, {
      beatEvery,
      onGap: bus.publish(Event.Gap()),
      onPayload: (payload) => Option.match(parsePayload(payload), { onNone: () => Effect.void, onSome: bus.publish })
    })
    return bus
  })
)
