// Events are written beside the requests that they tell of: none is lost to a database that is away for a while, and none
// that it will not have keeps the others from being written.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import type { TenantId } from "../../src/domain/Ids.ts"
import * as AuditLogPg from "../../src/postgres/AuditLogPg.ts"
import { sweep } from "../../src/postgres/Sweeps.ts"
import { Queries } from "../../src/postgres/Query.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { holding, oneConnection, waitingNow } from "../support/Locks.ts"
import * as World from "../support/World.ts"

const stored = (tenantId: TenantId) =>
  Effect.flatMap(PgClient, (sql) =>
    Effect.map(
      sql<{ type: string }>`select type from events where tenant_id = ${tenantId} order by id`,
      (rows) => rows.map(({ type }) => type)
    ))

/** A log of the test's own, so that it can end. */
const fresh = Layer.fresh(AuditLogPg.layer)

let next = 1_000_000
const tenant = () => next++ as TenantId

layer(World.layer(), { timeout: "60 seconds" })("AuditLogPg", (it) => {
  it.effect("writes what was recorded when it ends", () =>
    Effect.gen(function* () {
      const tenantId = tenant()
      yield* Effect.flatMap(AuditLog, (log) =>
        Effect.forEach(
          Array.from({ length: 1201 }),
          () => log.record({ tenantId, type: "signed_in" }),
          { discard: true }
        )).pipe(Effect.provide(fresh))
      assert.strictEqual((yield* stored(tenantId)).length, 1201)
    }))

  it.effect("writes by itself within a moment, without being asked", () =>
    Effect.gen(function* () {
      const log = yield* AuditLog
      const tenantId = tenant()
      yield* log.record({ tenantId, type: "user_banned" })
      assert.deepEqual(yield* stored(tenantId), [])
      yield* TestClock.adjust("100 millis")
      yield* stored(tenantId).pipe(Effect.repeat({ until: (types) => types.length > 0 }))
      assert.deepEqual(yield* stored(tenantId), ["user_banned"])
    }).pipe(Effect.provide(fresh)))

  it.effect.skipIf(oneConnection)(
    "gathers for another moment what came while it wrote, however busy it is",
    () =>
      Effect.gen(function* () {
        const log = yield* AuditLog
        const tenantId = tenant()
        const release = yield* holding("lock table events in access exclusive mode")
        yield* log.record({ tenantId, type: "user_banned" })
        // However late it begins to gather.
        yield* Effect.repeat(Effect.andThen(TestClock.adjust("100 millis"), waitingNow), { until: (now) => now > 0 })
        yield* log.record({ tenantId, type: "user_unbanned" })
        yield* release
        yield* stored(tenantId).pipe(Effect.repeat({ until: (types) => types.length > 0 }))
        yield* Effect.repeat(stored(tenantId), { times: 20 })
        assert.deepEqual(yield* stored(tenantId), ["user_banned"])
        yield* Effect.repeat(Effect.andThen(TestClock.adjust("100 millis"), stored(tenantId)), {
          until: (types) => types.length > 1
        })
      }).pipe(Effect.scoped, Effect.provide(fresh))
  )

  it.effect("looks each user up, and never reads them all", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const plan = yield* sql.unsafe<{ "QUERY PLAN": string }>(
        `explain (costs off) ${AuditLogPg.writeEventsStatement}`,
        [
          "[]"
        ]
      )
      const lines = plan.map((line) => line["QUERY PLAN"]).join("\n")
      assert.include(lines, "using users_pkey")
      assert.notInclude(lines, "hashed")
    }))

  it.effect("writes nothing twice because somebody who asked went away meanwhile", () =>
    Effect.gen(function* () {
      const log = yield* AuditLog
      const tenantId = tenant()
      for (let round = 0; round < 40; round++) {
        yield* log.record({ tenantId, type: "signed_in" })
        const asking = yield* Effect.forkChild(log.list(tenantId, { limit: 1 }))
        for (let breath = 0; breath < round; breath++) yield* Effect.yieldNow
        yield* Fiber.interrupt(asking)
      }
      yield* log.list(tenantId, { limit: 1 })
      assert.strictEqual((yield* stored(tenantId)).length, 40)
    }).pipe(Effect.provide(fresh)))

  it.effect("counts every socket once, of each tenant its own, whatever is being written meanwhile", () =>
    Effect.gen(function* () {
      const log = yield* AuditLog
      const [one, other] = [tenant(), tenant()]
      for (let round = 0; round < 40; round++) {
        log.countSocket(one)
        log.countSocket(one)
        const writing = yield* Effect.forkChild(log.list(one, { limit: 1 }))
        for (let breath = 0; breath < round; breath++) yield* Effect.yieldNow
        log.countSocket(other)
        log.countSocket(one)
        yield* Fiber.join(writing)
      }
      const sockets = yield* Effect.forEach(
        [one, other],
        (id) => Effect.map(log.usage(id), ({ days }) => days.map((day) => day.sockets))
      )
      assert.deepEqual(sockets, [[120], [40]])
    }).pipe(Effect.provide(fresh)))

  it.effect("gives up what the database will not have, and writes what comes after", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const log = yield* AuditLog
      const tenantId = tenant()
      yield* log.record({ tenantId, type: "api_key_issued" })
      yield* sql`alter table events add constraint refused check (type <> 'api_key_issued')`
      yield* log.list(tenantId, { limit: 1 })
      yield* sql`alter table events drop constraint refused`
      yield* log.record({ tenantId, type: "user_unbanned" })
      yield* log.list(tenantId, { limit: 1 })
      assert.deepEqual(yield* stored(tenantId), ["user_unbanned"])
    }).pipe(Effect.provide(fresh)))

  it.effect.skipIf(oneConnection)(
    "keeps what a database that does not answer could not take, and tries again",
    () =>
      Effect.gen(function* () {
        const log = yield* AuditLog
        const tenantId = tenant()
        const release = yield* holding("lock table events in access exclusive mode")
        yield* log.record({ tenantId, type: "user_banned" })
        assert.strictEqual((yield* Effect.flip(log.list(tenantId, { limit: 1 })))._tag, "StoreUnavailable")
        yield* release
        yield* Effect.suspend(() => Effect.andThen(TestClock.adjust("1 second"), stored(tenantId))).pipe(
          Effect.repeat({ until: (types) => types.length > 0 })
        )
        assert.deepEqual(yield* stored(tenantId), ["user_banned"])
      }).pipe(Effect.scoped, Effect.provide(fresh))
  )

  it.effect("sweeps what is older than is kept", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const log = yield* AuditLog
      const tenantId = tenant()
      for (const type of ["user_banned", "user_unbanned"] as const) yield* log.record({ tenantId, type })
      yield* log.list(tenantId, { limit: 1 })
      yield* sql`update events set at = now() - interval '366 days' where tenant_id = ${tenantId} and type = 'user_banned'`
      yield* sweep(0).pipe(Effect.provide(Queries.layer))
      assert.deepEqual(yield* stored(tenantId), ["user_unbanned"])
    }).pipe(Effect.provide(fresh)))
})
