// A refresh token is traded for the next pair: against the very statement, by pgbench. There the digest is set to what it
// was, so that the statement finds its row again.
import { rotateStatement } from "../../../src/postgres/SessionStatements.ts"
import { onNode, type Subject } from "../Bench.ts"
import { type Load, measureCall } from "../Load.ts"
import { forPgbench } from "../Postgres.ts"
import type { Case, Sample } from "../Report.ts"
import { someDigest } from "./SignIn.ts"
import { measured, type Work } from "./Work.ts"

const fastify = "Fastify + pg"
const pgbench = (clients: number) => `pgbench, ${clients} connection${clients === 1 ? "" : "s"}`

const script = (sessions: number) =>
  `\\set n random(1, ${sessions})\n` + forPgbench(rotateStatement, [
    "lpad(to_hex(:n::bigint), 32, '0')",
    someDigest,
    String.raw`'\x${"00".repeat(16)}'`,
    someDigest,
    someDigest,
    "3600",
    "2592000",
    "'127.0.0.1'",
    "null",
    "30"
  ])

/** Sessions whose id and digest the script knows. */
const seed = (sessions: number) => `
insert into sessions (id, user_id, access_digest, refresh_digest, access_expires_at, refresh_expires_at, expires_at)
select lpad(to_hex(n), 32, '0')::uuid, (select min(id) from users) + n - 1, ${someDigest}, ${someDigest},
  now() + interval '1 hour', now() + interval '30 days', now() + interval '90 days'
from generate_series(1, ${sessions}) n
on conflict do nothing`

export const measureRefresh = (load: Load, subject: Subject, seconds: number): Promise<Sample> =>
  measureCall(
    load,
    subject.server,
    () => ({ requests: [], status: 200, refresh: { path: "/api/token/refresh", tokens: subject.refreshTokens } }),
    seconds,
    (done) => {
      subject.refreshTokens = done.tokens
    }
  )

export const refresh: Work = {
  name: "refresh",
  title: "POST /api/token/refresh",
  run: async (bench) => {
    await bench.ready(
      async () => {
        const [postgres, { name }] = [await bench.postgres(), await bench.ceilingDatabase()]
        await postgres.query(seed(bench.users / 4), name)
        await postgres.settle(name)
      },
      ...bench.variants.map(({ embedded, runtime }) => () => bench.roomkey(runtime, embedded)),
      bench.fastify
    )
    const cases: ReadonlyArray<Case> = [
      ...[1, 8, 32].map((clients): Case => ({
        name: pgbench(clients),
        run: async (seconds) => {
          const [postgres, { name }] = [await bench.postgres(), await bench.ceilingDatabase()]
          return postgres.pgbench({ database: name, clients, seconds, script: script(bench.users / 4) })
        }
      })),
      ...bench.variants.map(({ embedded, name, runtime }): Case => ({
        name,
        run: async (seconds) => measureRefresh(bench.load, await bench.roomkey(runtime, embedded), seconds)
      })),
      { name: fastify, run: async (seconds) => measureRefresh(bench.load, await bench.fastify(), seconds) }
    ]
    const rate = (subject: string) => ({ subject, column: "req/s" })
    return measured(await bench.rounds(cases), [
      { of: rate(onNode), to: rate(pgbench(8)), target: "≥ 1.0" },
      { of: rate(onNode), to: rate(pgbench(32)) },
      ...bench.variants.slice(1).map(({ name }) => ({ of: rate(name), to: rate(pgbench(8)) })),
      { of: rate(onNode), to: rate(fastify) },
      { of: { subject: onNode, column: "1: p50 ms" }, to: { subject: pgbench(1), column: "p50 ms" } }
    ], ["Better Auth has no refresh token: its session slides when it is read."])
  }
}
