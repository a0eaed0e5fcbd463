// A database of a test file's own: in memory, or, with TEST_DATABASE_URL, a fresh one on that server.
import * as PgClient from "@effect/sql-pg/PgClient"
import { Config, Effect, Layer, Option, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { randomBytes } from "node:crypto"
import * as Pglite from "../../src/postgres/Pglite.ts"
import * as Adapters from "../../src/server/Adapters.ts"

const databaseOn = (server: string, name: string): Redacted.Redacted => {
  const url = new URL(server)
  url.pathname = `/${name}`
  return Redacted.make(url.href)
}

/** Makes a database on `server`, gone again when the scope closes. */
export const makeDatabase = Effect.fn("makeDatabase")(function* (server: string) {
  const name = `roomkey_test_${randomBytes(6).toString("hex")}`
  const admin = yield* PgClient.make({ url: Redacted.make(server), maxConnections: 1 })
  yield* Effect.acquireRelease(
    admin.unsafe(`create database ${name}`),
    () => Effect.orDie(admin.unsafe(`drop database ${name} with (force)`))
  )
  return databaseOn(server, name)
}, Effect.provide(Reactivity.layer))

/** An empty name is none. */
export const testServer = Config.option(Config.String("TEST_DATABASE_URL")).pipe(
  Config.map(Option.filter((url) => url !== ""))
)

export const layer = Layer.unwrap(Effect.gen(function* () {
  const server = yield* testServer
  if (Option.isNone(server)) return Pglite.layer({ dataDir: undefined })
  const url = yield* makeDatabase(server.value)
  return Adapters.postgres(url, 8)
}))
