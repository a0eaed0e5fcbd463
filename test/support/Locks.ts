// Races made certain: a row is held until everybody who wants it waits.
import { PgClient } from "@effect/sql-pg/PgClient"
import { Deferred, Effect, Fiber } from "effect"

/** Holds the user's row until the answer is run. */
export const lockUser = Effect.fn("lockUser")(function* (userId: number) {
  const sql = yield* PgClient
  const locked = yield* Deferred.make<void>()
  const release = yield* Deferred.make<void>()
  const holding = yield* sql.withTransaction(
    sql`select id::text as id from users where id = ${userId} for update`.pipe(
      Effect.andThen(Deferred.succeed(locked, undefined)),
      Effect.andThen(Deferred.await(release))
    )
  ).pipe(Effect.forkScoped)
  yield* Deferred.await(locked)
  return Effect.andThen(Deferred.succeed(release, undefined), Fiber.join(holding))
})

/** Returns once so many statements wait for a lock. */
export const waiting = (count: number) =>
  Effect.flatMap(PgClient, (sql) =>
    sql<{ waiting: number }>`select count(*)::int as waiting from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.pipe(
      Effect.repeat({ until: ([row]) => row!.waiting >= count })
    ))
