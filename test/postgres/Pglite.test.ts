// The embedded database is a `PgClient` like another, and a data directory belongs to one owner at a time.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Migrations from "../../src/postgres/Migrations.ts"
import * as Pglite from "../../src/postgres/Pglite.ts"

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "pglite-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const open = (dataDir: string) => Layer.build(Layer.fresh(Pglite.layer({ dataDir })))

layer(Pglite.layer({ dataDir: undefined }), { timeout: "60 seconds" })("Pglite, in memory", (it) => {
  it.effect("takes and gives back every type that the statements use", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const id = "0192f0c1-2345-7abc-8def-0123456789ab"
      const at = new Date("2026-01-02T03:04:05.678Z")
      const [row] = yield* sql<Record<string, unknown>>`select
        ${sql.json({ a: [1, "zwei", null] })}::jsonb as json, ${Buffer.from([0, 255, 10])}::bytea as bytes,
        ${id}::uuid as uuid, ${id}::uuid = any(${[id]}::uuid[]) as among, ${at}::timestamptz as at,
        ${9_007_199_254_740_993n}::int8 as big, ${null}::text as nothing`
      assert.deepEqual(row!.json, { a: [1, "zwei", null] })
      assert.deepEqual([...row!.bytes as Uint8Array], [0, 255, 10])
      assert.strictEqual(row!.uuid, id)
      assert.isTrue(row!.among)
      assert.strictEqual(new Date(row!.at as Date).getTime(), at.getTime())
      assert.strictEqual(String(row!.big), "9007199254740993")
      assert.isNull(row!.nothing)
    }))

  it.effect("runs the migrations, and finds nothing left to do the second time", () =>
    Effect.gen(function* () {
      assert.isNotEmpty(yield* Migrations.run)
      assert.isEmpty(yield* Migrations.run)
    }))

  it.effect("keeps nothing of the answers it has given", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const rows = Effect.asVoid(sql`select i, repeat('x', 200) as text from generate_series(1, 1000) as i`)
      const before = process.memoryUsage().heapUsed
      yield* Effect.repeat(rows, { times: 300 })
      assert.isBelow(process.memoryUsage().heapUsed - before, 100_000_000)
    }))

  it.effect("answers 64 statements at once, each with its own answer", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const numbers = Array.from({ length: 64 }, (_, index) => index)
      const answers = yield* Effect.forEach(
        numbers,
        Effect.fnUntraced(function* (n) {
          if (n % 8 === 7) {
            yield* Effect.flip(sql`select ${n}::int / 0`)
            return n
          }
          const [row] = yield* sql<{ n: number }>`select ${n}::int as n`
          return row!.n
        }),
        { concurrency: "unbounded" }
      )
      assert.deepEqual(answers, numbers)
    }))

  it.effect("commits a transaction that succeeds, and nothing of one that fails or is interrupted", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      yield* sql`create table kept (name text)`
      const insert = (name: string) => sql`insert into kept values (${name})`
      yield* sql.withTransaction(insert("committed"))
      yield* Effect.flip(sql.withTransaction(Effect.andThen(insert("failed"), Effect.fail("no"))))
      const inserted = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(sql.withTransaction(
        insert("interrupted").pipe(Effect.andThen(Deferred.succeed(inserted, undefined)), Effect.andThen(Effect.never))
      ))
      yield* Deferred.await(inserted)
      yield* Fiber.interrupt(fiber)
      assert.deepEqual(yield* sql`select name from kept`, [{ name: "committed" }])
    }))

  it.effect("keeps what others say out of a transaction that is under way", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      yield* sql`create table counted (n int)`
      yield* sql`insert into counted values (0)`
      const increment = sql.withTransaction(Effect.gen(function* () {
        const [row] = yield* sql<{ n: number }>`select n from counted`
        yield* Effect.yieldNow
        yield* sql`update counted set n = ${row!.n + 1}`
      }))
      yield* Effect.all(Array.from({ length: 30 }, () => increment), { concurrency: "unbounded" })
      assert.deepEqual(yield* sql`select n from counted`, [{ n: 30 }])
    }))

  it.effect("goes on after a statement was interrupted", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      for (let round = 0; round < 5; round++) {
        const fiber = yield* Effect.forkChild(sql`select count(*) from generate_series(1, 50000)`)
        yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        assert.deepEqual(yield* sql`select 1 as one`, [{ one: 1 }])
      }
    }))

  it.effect("takes a notification, though nobody can listen", () =>
    Effect.flatMap(PgClient, (sql) => sql.notify("somewhere", "something")))
})

describe("Pglite, in a directory", () => {
  it.effect(
    "gives the directory to one owner, and to the next when the first is done with it",
    () =>
      Effect.gen(function* () {
        const dataDir = `${yield* temporaryDirectory}/deep/data`
        const first = yield* Scope.make()
        const services = yield* Scope.provide(open(dataDir), first)
        yield* Effect.provide(Effect.flatMap(PgClient, (sql) => sql`create table kept as select 7 as n`), services)
        assert.strictEqual(statSync(dataDir).mode & 0o777, 0o700)
        const refused = yield* Effect.flip(Effect.scoped(open(dataDir)))
        assert.deepInclude(refused, { _tag: "DataDirectoryInUse", dataDir })
        yield* Scope.close(first, Exit.void)
        const rows = yield* Effect.flatMap(PgClient, (sql) => sql`select n from kept`).pipe(
          Effect.provide(Layer.fresh(Pglite.layer({ dataDir })))
        )
        assert.deepEqual(rows, [{ n: 7 }])
        assert.deepEqual(readdirSync(`${dataDir}.owner`), [])
      }),
    60_000
  )

  it.effect("refuses a path that is too long for what it has to make beside the directory, and says so", () =>
    Effect.gen(function* () {
      const dataDir = `${yield* temporaryDirectory}/${"deep/".repeat(20)}data`
      const refused = yield* Effect.flip(Effect.scoped(open(dataDir)))
      assert.deepInclude(refused, { _tag: "DataDirectoryTooLong", dataDir })
    }))

  it.effect(
    "lets in at most one of many that start at once over what a killed one left",
    () =>
      Effect.gen(function* () {
        const dataDir = `${yield* temporaryDirectory}/data`
        yield* Effect.scoped(open(dataDir))
        writeFileSync(`${dataDir}.owner/stale`, "")
        const exits = yield* Effect.all(Array.from({ length: 5 }, () => Effect.exit(open(dataDir))), {
          concurrency: "unbounded"
        })
        assert.isAtMost(exits.filter(Exit.isSuccess).length, 1)
        if (exits.every(Exit.isFailure)) yield* open(dataDir)
        assert.isFalse(existsSync(`${dataDir}.owner/stale`))
      }),
    60_000
  )

  it.effect("makes a database that was left half made anew", () =>
    Effect.gen(function* () {
      const dataDir = `${yield* temporaryDirectory}/data`
      yield* Effect.scoped(open(`${dataDir}.new`))
      rmSync(`${dataDir}.new/global`, { recursive: true })
      const services = yield* open(dataDir)
      assert.deepEqual(yield* Effect.provide(Effect.flatMap(PgClient, (sql) => sql`select 1 as one`), services), [
        { one: 1 }
      ])
      assert.isFalse(existsSync(`${dataDir}.new`))
    }), 60_000)
})
