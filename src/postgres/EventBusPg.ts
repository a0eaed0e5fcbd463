// Events between instances over LISTEN/NOTIFY. The statement that ends a session notifies in its own transaction; this
// file only hears. Notifications are lost while the listening connection is down, so each time it is up again a `Gap`
// goes out, and whoever holds derived state reads the database anew.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option, Schema } from "effect"
import { Event } from "../domain/Event.ts"
import { SessionId } from "../domain/Ids.ts"
import { EndReason } from "../domain/Session.ts"
import { EventBus } from "../services/EventBus.ts"
import { hear } from "./Hear.ts"

export const channel = "roomkey"

const decodeReason = Schema.decodeUnknownOption(EndReason)
const decodeSessionId = Schema.decodeUnknownOption(SessionId)

/** `ended <reason> <session id>`, or `recheck` after a change to a whole tenant. A word from a newer version is no event for this one. */
export const parsePayload = (payload: string): Option.Option<Event> => {
  const [word, reason, id] = payload.split(" ")
  if (word === "recheck") return Option.some(Event.Gap())
  if (word !== "ended") return Option.none()
  return Option.map(
    Option.all([decodeReason(reason), decodeSessionId(id)]),
    ([reason, sessionId]) => Event.SessionsEnded({ sessionIds: [sessionId], reason })
  )
}

export const layer: Layer.Layer<EventBus, never, PgClient> = Layer.effect(
  EventBus,
  Effect.gen(function* () {
    const { bus, setHearing } = yield* EventBus.makeLocal
    yield* setHearing(false)
    yield* hear(channel, {
      onGap: Effect.andThen(bus.publish(Event.Gap()), setHearing(true)),
      onLost: setHearing(false),
      onPayload: (payload) => Option.match(parsePayload(payload), { onNone: () => Effect.void, onSome: bus.publish })
    })
    return bus
  })
)
