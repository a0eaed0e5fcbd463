// What transactions tell every instance when they commit: PostgreSQL's NOTIFY, heard for as long as the scope lives.
import { PgClient } from "@effect/sql-pg/PgClient"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import { Clock, Context, Duration, Effect, Layer, Queue, Schedule, type Scope } from "effect"
import { NodeId } from "./NodeId.ts"

/** `roomkey` carries what ends sessions; the talk of rooms has a channel of its own, so that no flood of it is in between. */
export const channels = ["roomkey", "roomkey_rooms"] as const
export type Channel = typeof channels[number]

/** What another instance commits is heard in the order of the commits. */
export interface Hearer {
  /** Before anything else is heard, when something may have been missed. */
  readonly onGap: Effect.Effect<unknown>
  readonly onPayload: (payload: string) => Effect.Effect<unknown>
  /** How often this instance says something itself, to know that it hears. */
  readonly beatEvery: Duration.Duration
}

export class Notifications extends Context.Service<Notifications, {
  /** Answers how many milliseconds ago something may have been committed that is not heard yet; `Infinity` while nothing is. */
  readonly hear: (channel: Channel, hearer: Hearer) => Effect.Effect<() => number, never, Scope.Scope>
}>()("roomkey/postgres/Notifications") {}

/** A connection that brings nothing, not even this instance's own beats, is dead. */
const silence = "4 seconds"

/**
 * Over connections of their own, one for each channel, that wait behind nobody's statements. A beat is sent over the very
 * connection that is to hear it: once it is back, everything that was committed before it was sent has been heard.
 */
export const layer: Layer.Layer<Notifications, never, PgClient> = Layer.effect(
  Notifications,
  Effect.gen(function* () {
    const { config } = yield* PgClient
    const node = yield* NodeId
    const clock = yield* Clock.Clock
    const millis = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    const connect = PgConnection.make({
      ...config,
      multiplex: false,
      // A beat that is lost is sent again; but it may have to wait for its turn among whoever else notifies.
      startupParameters: { ...config.startupParameters, synchronous_commit: "off", lock_timeout: "0" }
    })

    const hear = Effect.fnUntraced(function* (channel: Channel, { beatEvery, onGap, onPayload }: Hearer) {
      let wasHeard = true
      /** When the last beat that came back was sent. */
      let beaten = -Infinity
      const prefix = `beat ${node} `

      yield* Effect.gen(function* () {
        const connection = yield* Effect.flatMap(connect, ({ pin }) => pin)
        const notifications = yield* connection.listen(channel)
        wasHeard = true
        yield* onGap
        yield* Effect.suspend(() => connection.query("select pg_notify($1, $2)", [channel, `${prefix}${millis()}`]))
          .pipe(
            // Changes nothing, but has who looks at `pg_stat_activity` find the connection for what it is.
            Effect.andThen(connection.query(`listen ${channel}`)),
            Effect.ignore,
            Effect.repeat(Schedule.spaced(beatEvery)),
            Effect.forkScoped
          )
        return yield* Queue.take(notifications).pipe(
          Effect.timeoutOrElse({ duration: silence, orElse: () => Effect.fail("silence" as const) }),
          Effect.flatMap(({ payload }) => {
            if (!payload.startsWith("beat ")) return onPayload(payload)
            if (payload.startsWith(prefix)) beaten = Number(payload.slice(prefix.length))
            return Effect.void
          }),
          Effect.forever
        )
      }).pipe(
        Effect.tapError(() =>
          Effect.sync(() => {
            beaten = -Infinity
          })
        ),
        Effect.scoped,
        Effect.tapError((error) => {
          if (!wasHeard) return Effect.void
          wasHeard = false
          return Effect.logWarning("Listening connection lost").pipe(
            Effect.annotateLogs({ channel, error: error === "silence" ? error : error.reason._tag })
          )
        }),
        Effect.retry(Schedule.spaced("250 millis")),
        Effect.forkScoped
      )
      return () => millis() - beaten
    })

    return { hear }
  })
).pipe(Layer.provide(NodeId.layer))
