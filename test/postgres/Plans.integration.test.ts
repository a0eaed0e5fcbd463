// A plan is kept for as long as its connection is: made while the tables are small, it must do when they are not.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { refreshSession } from "../../src/flows/sessions/RefreshSession.ts"
import { Queries } from "../../src/postgres/Query.ts"
import { sweep } from "../../src/postgres/Sweeps.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { RateLimits } from "../../src/services/RateLimits.ts"
import { TicketStore } from "../../src/services/TicketStore.ts"
import { TokenCodec } from "../../src/services/TokenCodec.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import { UserRepository } from "../../src/services/UserRepository.ts"
import { oneConnection } from "../support/Locks.ts"
import * as World from "../support/World.ts"

const parallel = { concurrency: "unbounded" } as const

interface Plan {
  readonly "Node Type": string
  readonly "Relation Name"?: string
  readonly "Index Name"?: string
  readonly "Index Cond"?: string
  readonly Plans?: ReadonlyArray<Plan>
}

/** What it reads from one end to the other, unless it stops after so many rows. Tenants are few. */
const readWhole = (plan: Plan, limited = false): ReadonlyArray<string> => {
  const { "Index Cond": condition, "Index Name": index, "Node Type": type, "Relation Name": table, Plans = [] } = plan
  const whole = type === "Seq Scan" || (type.includes("Index") && type.endsWith("Scan") && condition === undefined)
  const stops = type === "Limit" || limited && type !== "Sort"
  return [
    ...(whole && !limited && table !== "tenants" ? [`${table ?? index} by ${index ?? type}`] : []),
    ...Plans.flatMap((inner) => readWhole(inner, stops))
  ]
}

/** Whatever a sign-in, a call with its token, or its end asks the database. */
const useAll = Effect.gen(function* () {
  const { apiKey, appId, id } = yield* World.makeTenant()
  const [codec, limits, store, tickets, users] = yield* Effect.all([
    TokenCodec,
    RateLimits,
    TokenStore,
    TicketStore,
    UserRepository
  ])
  const names = Array.from({ length: 60 }, (_, n) => `user ${n}`)
  const signInAll = Effect.all(
    names.map((name) => World.signIn(apiKey, name, { customId: World.customId(name) })),
    parallel
  )
  yield* signInAll
  const sessions = yield* signInAll
  yield* Effect.all(sessions.map(({ refreshToken }) => refreshSession(refreshToken)), parallel)
  for (const { sessionId, user } of sessions.slice(0, 3)) {
    yield* World.signIn(apiKey, user.username, { metadata: World.metadata({ n: 1 }) })
    yield* users.setPassword(id, user.id, "hash")
    yield* users.upgradePasswordHash(user.id, "hash", "another")
    yield* users.findPasswordHash(id, user.id)
    yield* users.find(id, user.id)
    yield* users.list(id, { after: 0, limit: 10 })
    yield* store.openForPassword(id, user.id, "another", yield* codec.mintSession)
    yield* limits.takeAll([{ action: "login_account", subject: user.username }, {
      action: "login_address",
      subject: "a"
    }])
    const { accessDigest } = yield* codec.mintSession
    yield* tickets.add(sessionId, accessDigest)
    yield* tickets.take(accessDigest)
    yield* store.markUsed(sessionId, accessDigest)
    yield* store.find(sessionId)
    yield* store.findAll([sessionId])
    yield* store.list(id, user.id)
    yield* store.end(sessionId, "logout")
    yield* store.endWithin(id, user.id, sessionId, "revoked")
    yield* store.endAll(id, user.id, "revoked")
    yield* users.update(id, user.id, { banned: true })
    yield* users.remove(id, user.id)
  }
  const passwords = sessions.slice(3, 20).map(({ user }) =>
    Effect.gen(function* () {
      yield* users.setPassword(id, user.id, "hash")
      yield* users.findForLogin(appId, user.username)
      yield* store.openForPassword(id, user.id, "hash", yield* codec.mintSession)
    })
  )
  yield* Effect.all(passwords, parallel)
  yield* Effect.flatMap(AuditLog, (log) => log.list(id, { limit: 10 }))
  yield* Effect.provide(sweep(0), Queries.layer)
})

layer(World.layer(), { timeout: "60 seconds" })("Plans", (it) => {
  it.effect.runIf(oneConnection)(
    "none reads all of a table or index, even if it was made while that was little",
    () =>
      Effect.gen(function* () {
        const sql = yield* PgClient
        yield* useAll
        yield* sql`analyze`
        const prepared = yield* sql<{ statement: string; types: ReadonlyArray<string> }>`
          select distinct statement, parameter_types::text[] as types from pg_prepared_statements
          where statement ~* '\\m(users|sessions|events|tickets|rate_limits)\\M'
            and statement ~* '^\\s*(with|select|update|delete)' and statement !~ 'pg_prepared'`
        assert.isAbove(prepared.length, 30)
        yield* sql`set plan_cache_mode = force_generic_plan`
        const found: Array<string> = []
        const list = (words: ReadonlyArray<string>) => words.length === 0 ? "" : `(${words.join(", ")})`
        for (const { statement, types } of prepared) {
          const nulls = list(types.map(() => "null"))
          yield* sql.unsafe(`prepare explained${list(types)} as ${statement}`)
          const [row] = yield* sql.unsafe<{ "QUERY PLAN": ReadonlyArray<{ readonly Plan: Plan }> }>(
            `explain (format json, costs off) execute explained${nulls}`
          )
          yield* sql.unsafe("deallocate explained")
          for (const read of readWhole(row!["QUERY PLAN"][0]!.Plan)) found.push(`${read}: ${statement.trim()}`)
        }
        assert.deepEqual(found, [])
      })
  )
})
