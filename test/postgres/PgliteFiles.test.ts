// What is answered is on disk: the log is synced before the answer, and before any file that relies on it.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { vi } from "vitest"
import * as Pglite from "../../src/postgres/Pglite.ts"

const database = Layer.unwrap(Effect.gen(function* () {
  const parent = yield* Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "pglite-"))),
    (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
  )
  return Pglite.layer({ dataDir: join(parent, "data") })
}))

const table = Effect.gen(function* () {
  yield* Effect.addFinalizer(() => Effect.sync(() => vi.restoreAllMocks()))
  const sql = yield* PgClient
  yield* sql`create table if not exists kept (id int)`
  yield* sql`insert into kept values (0)`
  return sql
})

layer(database, { timeout: "60 seconds" })("PgliteFiles", (it) => {
  it.effect("lets no answer to a commit go before the log is on disk", () =>
    Effect.gen(function* () {
      const sql = yield* table
      const asked = yield* Deferred.make<() => void>()
      vi.spyOn(fs, "fsync").mockImplementationOnce((_, done) => {
        Deferred.doneUnsafe(asked, Effect.succeed(() => done(null)))
      })
      const insert = yield* Effect.forkChild(sql`insert into kept values (1) returning id`)
      const onDisk = yield* Deferred.await(asked)
      yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
      assert.isUndefined(insert.pollUnsafe())
      onDisk()
      assert.deepEqual(yield* Fiber.join(insert), [{ id: 1 }])
    }))

  it.effect("syncs once for all the commits that came together, and not at all for what only reads", () =>
    Effect.gen(function* () {
      const sql = yield* table
      const fsync = vi.spyOn(fs, "fsync")
      // More than fit on the wire at once, so that most of them are asked for one by one, as others are answered.
      yield* Effect.replicateEffect(sql`insert into kept values (1)`, 500, { concurrency: 64 })
      assert.isAtLeast(fsync.mock.calls.length, 1)
      assert.isAtMost(fsync.mock.calls.length, 100)
      fsync.mockClear()
      yield* Effect.replicateEffect(sql`select count(*) from kept`, 30, { concurrency: "unbounded" })
      assert.strictEqual(fsync.mock.calls.length, 0)
    }))

  // Only Linux tells the name of an open file.
  it.effect.skipIf(process.platform !== "linux")(
    "puts the log on disk before the pages that it could repair",
    () =>
      Effect.gen(function* () {
        const sql = yield* table
        const events: Array<string> = []
        const record = (kind: "sync" | "write", fd: number) => {
          const isLog = fs.readlinkSync(`/proc/self/fd/${fd}`).includes("/pg_wal/")
          events.push(`${kind} ${isLog ? "log" : "page"}`)
        }
        const { fsyncSync, writeSync } = fs
        vi.spyOn(fs, "fsyncSync").mockImplementation((fd) => {
          record("sync", fd)
          fsyncSync(fd)
        })
        vi.spyOn(fs, "writeSync").mockImplementation((...args: Array<any>) => {
          record("write", args[0])
          return Reflect.apply(writeSync, fs, args)
        })
        // Written together: the checkpoint comes while the log of the insert is still owed to the disk.
        yield* Effect.all([sql`insert into kept select generate_series(1, 1000)`, sql`checkpoint`], {
          concurrency: "unbounded"
        })
        const logged = events.indexOf("write log")
        const page = events.indexOf("write page", logged)
        assert.isAtLeast(logged, 0)
        assert.isAbove(page, logged)
        assert.include(events.slice(logged, page), "sync log")
      })
  )
})

describe("PgliteFiles, on a disk that fails", () => {
  it.effect("fails the statement, and every one after it", () =>
    Effect.gen(function* () {
      const sql = yield* table
      vi.spyOn(fs, "fsync").mockImplementationOnce((_, done) => done(new Error("EIO")))
      const first = yield* Effect.flip(sql`insert into kept values (1)`)
      const second = yield* Effect.flip(sql`select 1`)
      assert.strictEqual(first.reason._tag, "ConnectionError")
      assert.strictEqual(second.reason._tag, "ConnectionError")
    }).pipe(Effect.provide(Layer.fresh(database))), 60_000)
})
