// Events between instances over LISTEN/NOTIFY. The statement that ends a session notifies in its own transaction; this
// file only hears. Notifications are lost while the listening connection is down, so each time it is up again a `Gap`
// goes out, and whoever holds derived state reads the database anew.
import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option, PubSub, Queue, Schedule, Schema } from "effect"
import { Event } from "../domain/Event.ts"
import { SessionId } from "../domain/Ids.ts"
import { EndReason } from "../domain/Session.ts"
import { EventBus } from "../services/EventBus.ts"

export const channel = "roomkey"

/** Each instance makes itself heard, so that a connection which brings nothing is known to be dead. */
const beatEvery = "1 second"
const silence = "4 seconds"

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
    const sql = yield* PgClient
    const events = yield* PubSub.unbounded<Event>()

    const beat = sql.notify(channel, "beat").pipe(Effect.ignore, Effect.repeat(Schedule.spaced(beatEvery)))

    const hear = Effect.scoped(
      Effect.gen(function* () {
        const notifications = yield* sql.listen(channel)
        yield* PubSub.publish(events, Event.Gap())
        yield* Effect.forkScoped(beat)
        return yield* Queue.take(notifications).pipe(
          Effect.timeoutOrElse({ duration: silence, orElse: () => Effect.fail("silence" as const) }),
          Effect.flatMap(({ payload }) =>
            Option.match(parsePayload(payload), {
              onNone: () => Effect.void,
              onSome: (event) => Effect.asVoid(PubSub.publish(events, event))
            })
          ),
          Effect.forever
        )
      })
    )

    yield* hear.pipe(
      Effect.tapError((error) =>
        Effect.logWarning("Listening connection lost").pipe(
          Effect.annotateLogs({ error: error === "silence" ? error : error.reason._tag })
        )
      ),
      Effect.retry(Schedule.spaced("250 millis")),
      Effect.forkScoped
    )

    return EventBus.of({
      publish: (event) => Effect.asVoid(PubSub.publish(events, event)),
      subscribe: PubSub.subscribe(events)
    })
  })
)
