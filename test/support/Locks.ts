// Races made certain: a row is held until everybody who wants it waits.
import { PgClient } from "@effect/sql-pg/PgClient"
import { Deferred, Effect, Fiber } from "effect"

/** Whether the database has but one connection, so that nobody else can hold a lock. */
export const oneConnection = !process.env["TEST_DATABASE_URL"]

/** Holds what `statement` locks until the answer is run. */
export const holding = Effect.fn("holding")(function* (statement: string) {
  const sql = yield* PgClient
  const locked = yield* Deferred.make<void>()
  const release = yield* Deferred.make<void>()
  const held = yield* sql.withTransaction(
    sql.unsafe(statement).pipe(
      Effect.andThen(Deferred.succeed(locked, undefined)),
      Effect.andThen(Deferred.await(release))
    )
  ).pipe(Effect.forkScoped)
  yield* Deferred.await(locked)
  return Effect.andThen(Deferred.succeed(release, undefined), Fiber.join(held))
})

/** Holds the user's row. */
export const lockUser = (userId: number) => holding(`select id::text as id from users where id = ${userId} for update`)

/** How many statements wait for a lock. */
export const waitingNow = Effect.flatMap(PgClient, (sql) =>
  Effect.map(
    sql<{ waiting: number }>`select count(*)::int as waiting from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`,
    ([row]) => row!.waiting
  ))

/** Returns once so many statements wait for a lock. */
export const waiting = (count: number) => Effect.repeat(waitingNow, { until: (now) => now >= count })
