// Allowances in PostgreSQL, where all instances see them. Subjects are hashed: whatever an attacker puts into a name, its
// key has one size. What has run out is remembered here for a moment, so that a flood is refused without asking the
// database. What is given back is gathered for a moment, too; whoever would be refused for want of it is given it at once.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Layer, Schedule, Schema } from "effect"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { hash } from "node:crypto"
import { type Action, type Allowance, type Claim, RateLimited, RateLimitPolicy } from "../domain/RateLimit.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"
import { RateLimits } from "../services/RateLimits.ts"
import * as Gather from "./Gather.ts"
import * as Later from "./Later.ts"
import { Queries, rows } from "./Query.ts"

/** The parameters of a claim: its key, its limit, and the seconds in which one comes back. */
const parametersOf = (index: number) => [1, 2, 3].map((n) => `$${index * 3 + n}`) as [string, string, string]

/** Beyond the limit neither the count nor the window grows: who waits is let in again. */
const takeOne = (index: number): string => {
  const [key, limit, seconds] = parametersOf(index)
  return `claim_${index} as (
  insert into rate_limits as r (key, count, expires_at)
  select ${key}::text, 1, now() + make_interval(secs => ${seconds}::float8)
  ${index === 0 ? "" : `from claim_${index - 1} where not refused`}
  on conflict (key) do update set
    count = case when r.expires_at <= now() then 1 else least(r.count + 1, ${limit}::bigint + 1) end,
    expires_at = case
      when r.expires_at <= now() then excluded.expires_at
      when r.count + 1 > ${limit} then r.expires_at
      else r.expires_at + make_interval(secs => ${seconds})
    end
  returning count > ${limit} as refused, expires_at
)`
}

/**
 * So many claims, each made when the one before it was granted, so that all statements lock their rows in the order of the
 * claims.
 */
const takeStatement = (claims: number): string => {
  const indexes = Array.from({ length: claims }, (_, index) => index)
  const answers = indexes.map((index) =>
    `select ${index} as index, refused, greatest(extract(epoch from expires_at - now()) * 1000, 0)::float8 as millis
from claim_${index}`
  )
  return `with ${indexes.map(takeOne).join(", ")}\n${answers.join("\nunion all ")}`
}

const TakeRow = Schema.Struct({ index: Schema.Finite, refused: Schema.Boolean, millis: Schema.Finite })

/** Claims of one action, several of a subject at once: all of them, or none where they are more than is left. */
const takeEach = (from: string, key: string, limit: string, seconds: string) => `
  insert into rate_limits as r (key, count, expires_at)
  select ${key}, count(*), now() + make_interval(secs => count(*) * ${seconds}::float8)
  from ${from}
  group by ${key}
  having count(*) <= ${limit}::bigint
  order by ${key} collate "C"
  on conflict (key) do update set
    count = case when r.expires_at <= now() then 0 else r.count end + excluded.count,
    expires_at = greatest(r.expires_at, now()) + (excluded.expires_at - now())
  where r.expires_at <= now() or r.count + excluded.count <= ${limit}
  returning key`

/**
 * The claims of several logins at once, locked in the order in which one alone locks its own. It refuses nobody: where more
 * is wanted than is left, each asks alone, for both or for the address only. $1 a JSON array of `LoginClaims`, $2 and $3 the
 * limit of an account and the seconds in which one comes back, $4 and $5 of an address.
 */
const takeManyStatement = `
with call as (
  select * from rows from (json_to_recordset($1::json) as (account text, address text)) with ordinality
), account as (${takeEach("call", "account", "$2", "$3")}
), granted as (
  select call.* from call join account on account.key = call.account
), address as (${takeEach("granted", "address", "$4", "$5")}
)
select ordinality::int, address.key is not null as both
from granted left join address on address.key = granted.address`

const TakenRow = Schema.Struct({ ordinality: Schema.Finite, both: Schema.Boolean })

/** What became of claims, up to the first that was refused, or that is still to be asked for. */
type Taken = ReadonlyArray<typeof TakeRow.Type>

const granted = (count: number): Taken =>
  Array.from({ length: count }, (_, index) => ({ index, refused: false, millis: 0 }))

/** The keys of one login. */
interface LoginClaims {
  readonly account: string
  readonly address: string
}

const loginClaims = (
  claims: ReadonlyArray<Claim>,
  [account, address]: ReadonlyArray<string>
): LoginClaims | undefined =>
  claims.length === 2 && claims[0]?.action === "login_account" && claims[1]?.action === "login_address" &&
    account !== undefined && address !== undefined
    ? { account, address }
    : undefined

/**
 * Moves the end of each window back too; a window that is over stays over. One that comes back after a refusal is there for
 * the next. Locked in the order of their keys, which is that of claims. $1 a JSON array of `Returned`.
 */
const giveBackStatement = `
with back as (
  select * from json_to_recordset($1::json) as (key text, times bigint, allowed bigint, seconds float8)
), held as materialized (
  select key from rate_limits where key = any(array(select key from back)) order by key for update
)
update rate_limits r set
  count = least(r.count, back.allowed) - back.times,
  expires_at = r.expires_at - make_interval(secs => back.times * back.seconds)
from back
where r.key = any(array(select key from held)) and r.key = back.key`

/** What comes back to one key. */
interface Returned {
  readonly key: string
  readonly times: number
  readonly allowed: number
  readonly seconds: number
}

/** A refusal is not believed if something came back meanwhile; others may take that first, so many times. */
const maxAttempts = 5

/** Milliseconds for which it is believed that a subject has run out: something may come back at another instance. */
const believedFor = 1000

/** Keys in a statement. */
const batchSize = 1000

const sweepBatch = 1000

const sweepStatement = `
delete from rate_limits where key = any(array(
  select key from rate_limits where expires_at <= now() limit ${sweepBatch} for update skip locked
))
returning 1 as gone`

/** Subjects remembered as run out; the oldest is forgotten first. */
const maxRemembered = 10_000

const keyOf = ({ action, subject }: Claim): string => `${action} ${hash("sha256", subject, "base64url")}`

export const layer: Layer.Layer<RateLimits, never, PgClient> = Layer.effect(
  RateLimits,
  Effect.gen(function* () {
    const { attempt, sql } = yield* Queries
    const policy = yield* RateLimitPolicy
    const takeRows = rows(TakeRow)
    const takenRows = rows(TakenRow)
    /** Per instance: its subjects are API keys that were verified, so there are only so many. */
    const local = yield* RateLimiter.RateLimiter

    const runOut = new Map<string, { readonly until: number; readonly believed: number }>()

    const remember = (key: string, now: number, millis: number) => {
      runOut.delete(key)
      runOut.set(key, { until: now + millis, believed: now + Math.min(millis, believedFor) })
      if (runOut.size > maxRemembered) runOut.delete(runOut.keys().next().value!)
    }

    /** Keys that are being asked for: how many claims on each, and how often something came back meanwhile. */
    const asked = new Map<string, { claims: number; returns: number }>()

    const asking = (key: string) => {
      const about = asked.get(key) ?? { claims: 0, returns: 0 }
      asked.set(key, about)
      about.claims++
      const { returns } = about
      return {
        cameBack: () => about.returns !== returns,
        done: () => {
          if (--about.claims === 0) asked.delete(key)
        }
      }
    }

    /** Whatever ran out has not, now that something comes back; nor has what is refused by an answer from before. */
    const reopen = (keys: ReadonlyArray<string>) => {
      for (const key of keys) {
        runOut.delete(key)
        const about = asked.get(key)
        if (about !== undefined) about.returns++
      }
    }

    const limited = (millis: number) => new RateLimited({ retryAfter: Math.max(1, Math.ceil(millis / 1000)) })

    const check = Effect.fnUntraced(function* (key: string) {
      const known = runOut.get(key)
      if (known === undefined) return
      const now = yield* Clock.currentTimeMillis
      if (now < known.believed) return yield* limited(known.until - now)
      runOut.delete(key)
    })

    const secondsEach = ({ limit, window }: Allowance) => Duration.toSeconds(window) / limit

    const parameters = (claims: ReadonlyArray<Claim>, keys: ReadonlyArray<string>) =>
      claims.flatMap(({ action }, index) => [keys[index], policy[action].limit, secondsEach(policy[action])])

    /** What is given back and not written yet, and what is being written. */
    let owed = new Map<string, Returned>()
    let writing: ReadonlyMap<string, Returned> = owed

    /** What is owed is taken in the database still, so it can be handed on. */
    const takeOwed = (key: string): boolean => {
      const returned = owed.get(key)
      if (returned === undefined) return false
      if (returned.times === 1) owed.delete(key)
      else owed.set(key, { ...returned, times: returned.times - 1 })
      return true
    }

    const giveBack = (claims: ReadonlyArray<Claim>) => {
      const keys = claims.map(keyOf)
      for (const [index, { action }] of claims.entries()) {
        const key = keys[index]!
        const times = (owed.get(key)?.times ?? 0) + 1
        owed.set(key, { key, times, allowed: policy[action].limit, seconds: secondsEach(policy[action]) })
      }
      reopen(keys)
      wanted()
    }

    /** What the database does not take back, comes back when its window is over. */
    const { flush, wanted } = yield* Later.make(Effect.suspend(() => {
      const returned = [...owed.values()]
      writing = owed
      owed = new Map()
      const batches = Array.from(
        { length: Math.ceil(returned.length / batchSize) },
        (_, n) => returned.slice(n * batchSize, (n + 1) * batchSize)
      )
      return Effect.forEach(
        batches,
        (batch) =>
          attempt("giveBackAllowance", sql.unsafe(giveBackStatement, [JSON.stringify(batch)])).pipe(
            Effect.ignore,
            Effect.catchDefect((defect) => Effect.logError("Allowances not given back", defect))
          ),
        { discard: true }
      ).pipe(
        Effect.ensuring(Effect.sync(() => {
          const keys = [...writing.keys()]
          writing = new Map()
          reopen(keys)
        }))
      )
    }))

    const takeAlone = (
      claims: ReadonlyArray<Claim>,
      keys: ReadonlyArray<string>
    ): Effect.Effect<Taken, StoreUnavailable> =>
      attempt(
        "takeAllowance",
        Effect.suspend(() =>
          Effect.flatMap(sql.unsafe(takeStatement(claims.length), parameters(claims, keys)), takeRows)
        )
      )

    const takeTogether = yield* Gather.make(
      "takeAllowance",
      ({ account }: LoginClaims) => account,
      (calls) =>
        sql.unsafe(takeManyStatement, [
          JSON.stringify(calls),
          policy.login_account.limit,
          secondsEach(policy.login_account),
          policy.login_address.limit,
          secondsEach(policy.login_address)
        ]).pipe(
          Effect.flatMap(takenRows),
          Effect.map((taken) => new Map(taken.map(({ both, ordinality }) => [ordinality - 1, granted(both ? 2 : 1)])))
        ),
      { atOnce: false }
    )

    const take = (claims: ReadonlyArray<Claim>, keys: ReadonlyArray<string>) => {
      const login = loginClaims(claims, keys)
      return login === undefined ? takeAlone(claims, keys) : takeTogether(login, takeAlone(claims, keys))
    }

    const takeAll = Effect.fnUntraced(function* (claims: ReadonlyArray<Claim>) {
      const keys = claims.map(keyOf)
      for (const key of keys) yield* check(key)
      let attempts = 0
      for (let first = 0; first < claims.length;) {
        const questions = keys.map(asking)
        const before = claims.slice(0, first)
        const taken = yield* take(claims.slice(first), keys.slice(first)).pipe(
          Effect.onError(() => Effect.sync(() => giveBack(before))),
          Effect.ensuring(Effect.sync(() => questions.forEach(({ done }) => done())))
        )
        const refused = taken.find((claim) => claim.refused)
        if (refused === undefined) {
          first += taken.length
          continue
        }
        const index = first + refused.index
        const key = keys[index]!
        if (takeOwed(key)) {
          first = index + 1
          continue
        }
        giveBack(claims.slice(0, index))
        const cameBack = writing.has(key) || questions[index]!.cameBack()
        if (!cameBack) remember(key, yield* Clock.currentTimeMillis, refused.millis)
        if (!cameBack || ++attempts === maxAttempts) return yield* limited(refused.millis)
        yield* flush
        first = 0
      }
    })

    const takeHere = (action: Action, subject: string) =>
      local.consume({ key: subject, algorithm: "token-bucket", ...policy[action], tokens: 1 }).pipe(
        Effect.catchTags({
          RateLimiterError: ({ reason }) =>
            reason._tag === "RateLimitExceeded" ? limited(Duration.toMillis(reason.retryAfter)) : Effect.die(reason)
        })
      )

    const forgetOver = Effect.map(Clock.currentTimeMillis, (now) => {
      for (const [key, { believed }] of runOut) {
        if (believed <= now) runOut.delete(key)
      }
    })

    yield* attempt("sweepAllowances", sql.unsafe(sweepStatement)).pipe(
      Effect.repeat({ while: (gone) => gone.length === sweepBatch }),
      Effect.ignore,
      Effect.andThen(forgetOver),
      Effect.repeat(Schedule.spaced("1 minute")),
      Effect.forkScoped
    )

    return RateLimits.of({
      take: (action, subject) => action === "auto_auth" ? takeHere(action, subject) : takeAll([{ action, subject }]),
      takeAll,
      giveBack: (claims) => Effect.sync(() => giveBack(claims)),
      check: (action, subject) =>
        Effect.suspend(() => runOut.size === 0 ? Effect.void : check(keyOf({ action, subject })))
    })
  })
).pipe(Layer.provide([Queries.layer, RateLimiter.layer]), Layer.provide(RateLimiter.layerStoreMemory))
