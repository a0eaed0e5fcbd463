// Killed is as good as stopped: what was answered is there, and so is the way back in.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Pglite from "../../src/postgres/Pglite.ts"

const child = fileURLToPath(new URL("./Pglite.child.ts", import.meta.url))
const rounds = 3

const start = (dataDir: string, first: number) =>
  spawn(process.execPath, [...("Deno" in globalThis ? ["run", "-A"] : []), child, dataDir, String(first)], {
    stdio: ["ignore", "pipe", "inherit"]
  })

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "pglite-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Kills a writer once it has printed `count` answers; what it printed in its last moments counts too. */
const writeAndKill = (dataDir: string, first: number, count: number) =>
  Effect.callback<ReadonlyArray<number>>((resume) => {
    const writer = start(dataDir, first)
    let printed = ""
    writer.stdout.on("data", (chunk: Buffer) => {
      printed += chunk.toString()
      if (printed.split("\n").length > count) writer.kill("SIGKILL")
    })
    writer.once("close", () => resume(Effect.succeed(printed.split("\n").slice(0, -1).map(Number))))
    return Effect.sync(() => writer.kill("SIGKILL"))
  })

const stored = (dataDir: string) =>
  Effect.gen(function* () {
    const sql = yield* PgClient
    const rows = yield* sql<{ id: number }>`select id from answered order by id`
    return rows.map(({ id }) => id)
  }).pipe(Effect.provide(Pglite.layer({ dataDir })))

describe("Pglite, killed", () => {
  it.effect("keeps every answered row, and starts again on the same directory", () =>
    Effect.gen(function* () {
      const dataDir = `${yield* temporaryDirectory}/data`
      const answered: Array<number> = []
      for (let round = 0; round < rounds; round++) {
        const first = (answered.at(-1) ?? 0) + 1000
        const printed = yield* writeAndKill(dataDir, first, 1 + Math.floor(Math.random() * 120))
        assert.isNotEmpty(printed)
        answered.push(...printed)
        assert.includeMembers([...(yield* stored(dataDir))], answered)
      }
    }), 40_000 * rounds)

  it.effect(
    "starts again after a first start that was killed while it made the database",
    () =>
      Effect.gen(function* () {
        const dataDir = `${yield* temporaryDirectory}/data`
        yield* Effect.callback<void>((resume) => {
          const writer = start(dataDir, 0)
          // The first file of a database is the moment that matters: from there on the directory looks like one.
          const poll = setInterval(() => {
            if (existsSync(`${dataDir}.new/PG_VERSION`) || existsSync(`${dataDir}/PG_VERSION`)) writer.kill("SIGKILL")
          }, 1)
          writer.once("close", () => {
            clearInterval(poll)
            resume(Effect.void)
          })
        })
        const printed = yield* writeAndKill(dataDir, 1000, 1)
        assert.includeMembers([...(yield* stored(dataDir))], [...printed])
      }),
    60_000
  )
})
