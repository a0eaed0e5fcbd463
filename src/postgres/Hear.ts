// A connection that listens, for as long as the scope lives. Notifications are lost while it is down, so each time it is up
// again `onGap` runs before anything else is heard.
import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Queue, Schedule, type Scope } from "effect"

/** Each instance makes itself heard, so that a connection which brings nothing is known to be dead. */
const beatEvery = "1 second"
const silence = "4 seconds"

export const hear = Effect.fnUntraced(function* (channel: string, { onGap, onLost, onPayload }: {
  readonly onGap: Effect.Effect<unknown>
  /** While it is lost this runs again with each try that fails. */
  readonly onLost: Effect.Effect<unknown>
  readonly onPayload: (payload: string) => Effect.Effect<unknown>
}): Effect.fn.Return<void, never, PgClient | Scope.Scope> {
  const sql = yield* PgClient

  const beat = sql.notify(channel, "beat").pipe(Effect.ignore, Effect.repeat(Schedule.spaced(beatEvery)))

  let wasHeard = true

  yield* Effect.gen(function* () {
    const notifications = yield* sql.listen(channel)
    wasHeard = true
    yield* onGap
    yield* Effect.forkScoped(beat)
    return yield* Queue.take(notifications).pipe(
      Effect.timeoutOrElse({ duration: silence, orElse: () => Effect.fail("silence" as const) }),
      Effect.flatMap(({ payload }) => onPayload(payload)),
      Effect.forever
    )
  }).pipe(
    Effect.tapError(() => onLost),
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
})
