// The same calls on a small and on a big database, made by the database itself; the plan of every statement of sessions,
// the scans that the calls caused, and how many of the updates of a session left its indexes alone (HOT).
import { createHash } from "node:crypto"
import { join } from "node:path"
import { writeEventsStatement } from "../../../src/postgres/AuditLogPg.ts"
import * as Sessions from "../../../src/postgres/SessionStatements.ts"
import { findForLoginStatement, findManyForLoginStatement } from "../../../src/postgres/UserRepositoryPg.ts"
import type { Bench, Subject } from "../Bench.ts"
import { type Call, measureCall, request } from "../Load.ts"
import type { Postgres } from "../Postgres.ts"
import type { Case } from "../Report.ts"
import { makeTenant, startRoomkey, type Tenant } from "../subjects/Roomkey.ts"
import { measureRefresh } from "./Refresh.ts"
import { measured, type Work } from "./Work.ts"

const accessSecret = "11".repeat(16)
const refreshSecret = "22".repeat(16)
const digestOf = (secret: string) =>
  String.raw`'\x${createHash("sha256").update(Buffer.from(secret, "hex")).digest("hex")}'::bytea`

/** In the order of time and before any that is made now, as the ids of old sessions are. */
const sessionHex = (n: number) => `${n.toString(16).padStart(12, "0")}70008000000000000000`

/** In steps, so that no transaction is enormous. */
const step = 1_000_000

const seed = async (postgres: Postgres, database: string, tenant: number, users: number, sessions: number) => {
  const ranges = (total: number) =>
    Array.from({ length: Math.ceil(total / step) }, (_, n) => [n * step + 1, Math.min(total, (n + 1) * step)] as const)
  for (const [from, to] of ranges(users)) {
    await postgres.query(
      `insert into users (tenant_id, username) select ${tenant}, 'user' || n from generate_series(${from}, ${to}) n`,
      database
    )
  }
  const [row] = await postgres.query("select min(id) from users", database)
  for (const [from, to] of ranges(sessions)) {
    await postgres.query(
      `insert into sessions (id, user_id, access_digest, refresh_digest, access_expires_at, refresh_expires_at, expires_at)
      select (lpad(to_hex(n), 12, '0') || '70008000000000000000')::uuid, ${row![0]} + n % ${users},
        ${digestOf(accessSecret)}, ${digestOf(refreshSecret)},
        now() + interval '1 day', now() + interval '30 days', now() + interval '90 days'
      from generate_series(${from}, ${to}) n`,
      database
    )
  }
  await postgres.settle(database)
}

/** Tokens that are read, as many of the big database as the small one has: an instance remembers as much of both. */
const few = 5000
/** What is not remembered: in a turn hardly any row is met twice. */
const many = 50_000

/** Numbers from 1 to `total`, anywhere. */
const anywhere = (total: number, count: number): ReadonlyArray<number> =>
  Array.from({ length: Math.min(total, count) }, () => 1 + Math.floor(Math.random() * total))

interface Grown extends Subject {
  readonly name: string
  readonly database: string
  readonly tenant: Tenant
  readonly users: number
  readonly readers: Call
  readonly signIns: Call
}

interface Size {
  readonly users: number
  readonly sessions: number
}

const grow = async (bench: Bench, label: string, { sessions, users }: Size): Promise<Grown> => {
  const postgres = await bench.postgres()
  const database = await postgres.createDatabase(label)
  const server = bench.keep(
    await startRoomkey({ runtime: "node", dataDir: join(bench.dir, "none"), database: { postgres, name: database } })
  )
  const tenant = await makeTenant(bench.load, server)
  bench.log(`making ${users} users and ${sessions} sessions`)
  await seed(postgres, database, tenant.id, users, sessions)
  // A refresh ends the token that a read would present: so the odd ones are read and the even ones refreshed.
  const tokens = (secret: string, odd: number, count: number) =>
    [...new Set(anywhere(sessions / 2, count))].map((n) => sessionHex(2 * n - odd) + secret)
  return {
    name: `${sessions.toLocaleString("en")} sessions`,
    server,
    database,
    tenant,
    users,
    sessions: [],
    refreshTokens: tokens(refreshSecret, 0, many),
    readers: { requests: tokens(accessSecret, 1, few).map((token) => request("GET", "/api/me", token)), status: 200 },
    signIns: {
      requests: anywhere(users, many).map((n) =>
        request("POST", "/api/auth/auto", tenant.api_key, { username: `user${n}` })
      ),
      status: 200
    }
  }
}

/** Every statement of sessions, and what each sign-in leaves behind, with parameters that find something. */
const statements = async (postgres: Postgres, { database, tenant }: Grown) => {
  const [row] = await postgres.query(
    "select s.id, u.id, u.username from sessions s join users u on u.id = s.user_id limit 1",
    database
  )
  const [key] = await postgres.query("select id from api_keys limit 1", database)
  const [session, user, name] = [`'${row![0]}'`, row![1]!, `'${row![2]}'`]
  const some = digestOf(accessSecret)
  const limits = ["3600", "3600", "3600", "100"]
  const opened = ["gen_random_uuid()", some, some, ...limits, "null", "null"]
  const pair = [session, some, some, some, some, "3600", "3600", "null", "null"]
  const id = String(tenant.id)
  return {
    find: [Sessions.findStatement, [session]],
    findAll: [Sessions.findAllStatement, [`array[${session}]::uuid[]`]],
    openForProfile: [
      Sessions.openForProfileStatement,
      [...opened, `'${key![0]}'`, id, name, "'custom'", "'https://example.com'", "'{}'"]
    ],
    openManyForProfile: [Sessions.openManyStatement, ["'[]'", ...limits]],
    openManyForNewProfile: [Sessions.openManyNewStatement, ["'[]'", ...limits]],
    openForPassword: [Sessions.openForPasswordStatement, [...opened, id, user, "'hash'"]],
    openManyForPassword: [Sessions.openManyForPasswordStatement, ["'[]'", ...limits]],
    markUsed: [Sessions.markUsedStatement, [session, some]],
    rotate: [Sessions.rotateStatement, [...pair, "30"]],
    replaceUnused: [Sessions.replaceUnusedStatement, [...pair, some]],
    end: [Sessions.endStatement, [session, "'logout'"]],
    list: [Sessions.listStatement, [id, user]],
    endAll: [Sessions.endAllStatement, ["'revoked'", id, user, "null"]],
    endWithin: [Sessions.endWithinStatement, ["'revoked'", id, user, session]],
    createUser: [Sessions.createUserStatement, [id, "'somebody'", "'custom'", "null", "null", `'${key![0]}'`]],
    findForLogin: [findForLoginStatement, [`'${tenant.app_id}'`, name]],
    findManyForLogin: [findManyForLoginStatement, ["'[]'"]],
    writeEvents: [writeEventsStatement, ["'[]'"]]
  } as const satisfies Record<string, readonly [string, ReadonlyArray<string>]>
}

interface Plan {
  readonly "Node Type": string
  readonly "Relation Name"?: string
  readonly "Index Name"?: string
  readonly Plans?: ReadonlyArray<Plan>
}

const scans = (plan: Plan): ReadonlyArray<string> => [
  ...(plan["Node Type"].endsWith("Scan") && (plan["Index Name"] ?? plan["Relation Name"]) !== undefined
    ? [plan["Index Name"] ?? `${plan["Relation Name"]} (${plan["Node Type"]})`]
    : []),
  ...(plan.Plans ?? []).flatMap(scans)
]

/** By the plan that a statement has once it was prepared and used often. */
const plans = async (postgres: Postgres, grown: Grown): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  for (const [name, [statement, parameters]] of Object.entries(await statements(postgres, grown))) {
    const lines = await postgres.query(
      `set plan_cache_mode = force_generic_plan;
      prepare statement as ${statement};
      explain (format json, costs off) execute statement(${parameters.join(", ")});`,
      grown.database
    )
    const [{ Plan: plan }] = JSON.parse(lines.map((line) => line.join("\t")).join("\n")) as [{ readonly Plan: Plan }]
    const used = scans(plan)
    const whole = used.filter((scan) => /^(?:users|sessions) \(Seq Scan\)$/.test(scan))
    found.push(`${name}: ${[...new Set(used)].join(", ")}${whole.length > 0 ? "  READS A WHOLE TABLE" : ""}`)
  }
  return found
}

interface Counters {
  readonly scans: Readonly<Record<string, number>>
  readonly updated: number
  readonly hot: number
}

const counters = async (postgres: Postgres, database: string): Promise<Counters> => {
  // Backends tell of their counts when they have been idle for a second.
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const rows = await postgres.query(
    "select relname, seq_scan, n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname in ('users', 'sessions')",
    database
  )
  const sessions = rows.find(([name]) => name === "sessions")
  return {
    scans: Object.fromEntries(rows.map(([name, scans]) => [name, Number(scans)])),
    updated: Number(sessions?.[2]),
    hot: Number(sessions?.[3])
  }
}

const calls = ["GET /api/me", "POST /api/auth/auto", "POST /api/token/refresh"] as const

export const growth: Work = {
  name: "growth",
  title: "A small and a big database, Roomkey on Node",
  run: async (bench) => {
    const { growthSessions, growthUsers, smoke } = bench.options
    const little = smoke ? { users: 100, sessions: 1000 } : { users: 10_000, sessions: 10_000 }
    const much = smoke ? { users: 1000, sessions: 10_000 } : { users: growthUsers, sessions: growthSessions }
    const postgres = await bench.postgres()
    const small = await grow(bench, "small", little)
    const big = await grow(bench, "big", much)
    const before = [await counters(postgres, small.database), await counters(postgres, big.database)]
    const cases = calls.flatMap((call) =>
      [small, big].map((grown): Case => ({
        name: `${call}, ${grown.name}`,
        run: async (seconds) => {
          if (call === "POST /api/token/refresh") return measureRefresh(bench.load, grown, seconds)
          const requests = call === "GET /api/me" ? grown.readers : grown.signIns
          // As in `me`: the instance believes no reading for as long as the others take.
          if (call === "GET /api/me") await bench.load.each(grown.server, requests.requests)
          return measureCall(bench.load, grown.server, () => requests, seconds)
        }
      }))
    )
    const rows = await bench.rounds(cases)
    const notes = await Promise.all([small, big].map(async ({ database, name }, n) => {
      const [was, is] = [before[n]!, await counters(postgres, database)]
      const [size] = await postgres.query("select pg_size_pretty(pg_database_size(current_database()))", database)
      const whole = Object.entries(is.scans).map(([table, count]) => `${count - (was.scans[table] ?? 0)} of ${table}`)
      return `${name}: ${size![0]}; ${is.hot - was.hot} of ${is.updated - was.updated} updates of sessions were HOT ` +
        `(${((is.hot - was.hot) / (is.updated - was.updated) * 100).toFixed(1)} %); scans of a whole table: ${
          whole.join(", ")
        }`
    }))
    const rate = (subject: string) => ({ subject, column: "req/s" })
    return measured(
      rows,
      calls.map((call) => ({
        of: rate(`${call}, ${big.name}`),
        to: rate(`${call}, ${small.name}`),
        target: "≥ 0.77"
      })),
      [...notes, "", `Plans on ${big.name}:`, ...await plans(postgres, big)]
    )
  }
}
