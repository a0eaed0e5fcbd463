// A database of a test's own on the PostgreSQL of TEST_DATABASE_URL.
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, Layer, ManagedRuntime, Redacted } from "effect"
import type { TestContext } from "vitest"
import { makeDatabase } from "../../support/Database.ts"

const server = process.env["TEST_DATABASE_URL"] || undefined

/** Skips the test, and says why, where no PostgreSQL is named. */
export const needsPostgres = ({ skip }: TestContext): void =>
  skip(server === undefined, "TEST_DATABASE_URL names no PostgreSQL")

class Url extends Context.Service<Url, Redacted.Redacted>()("test/e2e/Url") {}

export interface FreshDatabase extends AsyncDisposable {
  readonly url: string
  readonly query: (statement: string) => Promise<ReadonlyArray<Readonly<Record<string, unknown>>>>
}

/** An empty database, dropped where its `await using` ends. */
export const freshDatabase = async (): Promise<FreshDatabase> => {
  const url = Layer.effect(Url, Effect.suspend(() => makeDatabase(server ?? "")))
  const client = Layer.unwrap(Effect.map(Url, (url) => PgClient.layer({ url, maxConnections: 1 })))
  const runtime = ManagedRuntime.make(Layer.provideMerge(client, url))
  return {
    url: Redacted.value(await runtime.runPromise(Url)),
    query: (statement) =>
      runtime.runPromise(Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe<Record<string, unknown>>(statement))),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}
