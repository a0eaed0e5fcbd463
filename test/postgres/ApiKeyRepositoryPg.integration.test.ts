// When a key was last used: known to the minute, and waited for by nobody.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { ApiKeyRepository } from "../../src/services/ApiKeyRepository.ts"
import { holding, oneConnection } from "../support/Locks.ts"
import * as World from "../support/World.ts"

/** As if so many milliseconds had gone by. */
const after = <A, E, R>(millis: number, use: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const now = Effect.map(clock.currentTimeMillis, (now) => now + millis)
    return Effect.provideService(use, Clock.Clock, Object.create(clock, { currentTimeMillis: { value: now } }))
  })

layer(World.layer(), { excludeTestServices: true, timeout: "60 seconds" })("ApiKeyRepositoryPg", (it) => {
  it.effect("writes at most once a minute when a key was used", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const keys = yield* ApiKeyRepository
      const { apiKey, id } = yield* World.makeTenant()
      const lastUsed = Effect.map(keys.list(id), ([key]) => key!.lastUsedAt)
      const use = World.signIn(apiKey, "ada")
      yield* use
      while ((yield* lastUsed) === null) yield* Effect.yieldNow
      const unwritten = sql`update api_keys set last_used_at = null where tenant_id = ${id}`
      yield* unwritten
      yield* after(50_000, use)
      for (let time = 0; time < 10; time++) assert.isNull(yield* lastUsed)
      yield* after(60_000, use)
      while ((yield* lastUsed) === null) yield* Effect.yieldNow
    }))

  it.effect.skipIf(oneConnection)("keeps no sign-in waiting for that", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeyRepository
      const { apiKey, id } = yield* World.makeTenant()
      const release = yield* holding(`select id::text as id from api_keys where tenant_id = ${id} for update`)
      const signedIn = yield* Effect.timeout(World.signIn(apiKey, "ada"), "2 seconds")
      assert.strictEqual(signedIn.user.username, "ada")
      assert.isNull((yield* keys.list(id))[0]!.lastUsedAt)
      yield* release
    }).pipe(Effect.scoped))
})
