// A backend signs a known user in: against the very statement that Roomkey sends, by pgbench, a transaction a call.
import { openForProfileStatement } from "../../../src/postgres/SessionStatements.ts"
import { newUsersCall, onNode, signInCall } from "../Bench.ts"
import { measureCall } from "../Load.ts"
import { forPgbench, type Postgres } from "../Postgres.ts"
import type { Case } from "../Report.ts"
import type { Tenant } from "../subjects/Roomkey.ts"
import { measured, type Work } from "./Work.ts"

const fastify = "Fastify + pg"
const ofNewUsers = (subject: string) => `${subject}, new users`
const pgbench = (clients: number) => `pgbench, ${clients} connection${clients === 1 ? "" : "s"}`

/** A digest, which nothing looks at. */
export const someDigest = String.raw`'\x${"00".repeat(32)}'`

/** Ids in the order of time, as Roomkey makes them. */
const sessionId = `(lpad(to_hex((extract(epoch from clock_timestamp()) * 1000000)::bigint), 16, '0') ||
  lpad(to_hex(:low::bigint), 16, '0'))`

const script = async (
  postgres: Postgres,
  database: { readonly name: string; readonly tenant: Tenant },
  users: number
): Promise<string> => {
  const [key] = await postgres.query(`select id from api_keys where tenant_id = ${database.tenant.id}`, database.name)
  return `\\set user random(${users / 2 + 1}, ${users})\n\\set low random(0, 4611686018427387903)\n` +
    forPgbench(openForProfileStatement, [
      sessionId,
      someDigest,
      someDigest,
      "3600",
      "2592000",
      "7776000",
      "100",
      "'127.0.0.1'",
      "null",
      `'${key![0]}'`,
      String(database.tenant.id),
      "'user' || :user::text",
      "null::text",
      "null",
      "null"
    ])
}

export const signIn: Work = {
  name: "sign-in",
  title: "POST /api/auth/auto, of known users, and of new ones",
  run: async (bench) => {
    await bench.ready(
      bench.ceilingDatabase,
      ...bench.variants.map(({ embedded, runtime }) => () => bench.roomkey(runtime, embedded)),
      bench.fastify
    )
    const cases: ReadonlyArray<Case> = [
      ...[1, 8, 32].map((clients): Case => ({
        name: pgbench(clients),
        run: async (seconds) => {
          const [postgres, database] = [await bench.postgres(), await bench.ceilingDatabase()]
          const text = await script(postgres, database, bench.users)
          return postgres.pgbench({ database: database.name, clients, seconds, script: text })
        }
      })),
      ...bench.variants.map(({ embedded, name, runtime }): Case => ({
        name,
        run: async (seconds) => {
          const { server, tenant } = await bench.roomkey(runtime, embedded)
          return measureCall(bench.load, server, () => signInCall(tenant.api_key, bench.users), seconds)
        }
      })),
      {
        name: fastify,
        run: async (seconds) => {
          const { server, tenant } = await bench.fastify()
          return measureCall(bench.load, server, () => signInCall(tenant.api_key, bench.users), seconds)
        }
      },
      ...[
        { name: ofNewUsers(onNode), start: () => bench.roomkey("node", false) },
        { name: ofNewUsers(fastify), start: () => bench.fastify() }
      ].map(({ name, start }): Case => ({
        name,
        run: async (seconds) => {
          const { server, tenant } = await start()
          return measureCall(bench.load, server, () => newUsersCall(tenant.api_key, seconds), seconds)
        }
      }))
    ]
    const rate = (subject: string) => ({ subject, column: "req/s" })
    return measured(await bench.rounds(cases), [
      { of: rate(onNode), to: rate(pgbench(8)), target: "≥ 1.0" },
      { of: rate(onNode), to: rate(pgbench(32)) },
      ...bench.variants.slice(1).map(({ name }) => ({ of: rate(name), to: rate(pgbench(8)) })),
      { of: rate(onNode), to: rate(fastify) },
      { of: rate(ofNewUsers(onNode)), to: rate(ofNewUsers(fastify)) },
      { of: { subject: onNode, column: "1: p50 ms" }, to: { subject: pgbench(1), column: "p50 ms" } }
    ], ["Better Auth has no such call: it signs a user in by what the user knows, not by the word of a backend."])
  }
}
