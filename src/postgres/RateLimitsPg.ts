// Allowances in PostgreSQL, where all instances see them. Subjects are hashed: whatever an attacker puts into a name, its
// key has one size. What has run out is remembered here, so that a flood is refused without asking the database.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Layer, Schedule, Schema } from "effect"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { hash } from "node:crypto"
import { type Action, type Claim, RateLimited, RateLimitPolicy } from "../domain/RateLimit.ts"
import { RateLimits } from "../services/RateLimits.ts"
import { Queries, rows } from "./Query.ts"

/** The parameters of a claim: its key, its limit, and the seconds in which one comes back. */
const parametersOf = (index: number) => [1, 2, 3].map((n) => `$${index * 3 + n}`) as [string, string, string]

/** A statement for so many claims, each by a part of its own. */
const forClaims = (
  part: (index: number) => string,
  answer: (index: number) => string
): (claims: number) => string => {
  const known = new Map<number, string>()
  return (claims) => {
    let statement = known.get(claims)
    if (statement === undefined) {
      const indexes = Array.from({ length: claims }, (_, index) => index)
      statement = `with ${indexes.map(part).join(", ")}\n${indexes.map(answer).join("\nunion all ")}`
      known.set(claims, statement)
    }
    return statement
  }
}

/**
 * A claim is made when the one before it was granted, so that all statements lock their rows in the order of the claims.
 * Beyond the limit neither the count nor the window grows: who waits is let in again.
 */
const takeStatement = forClaims((index) => {
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
}, (index) =>
  `select ${index} as index, refused,
  greatest(extract(epoch from expires_at - now()) * 1000, 0)::float8 as millis from claim_${index}`)

const TakeRow = Schema.Struct({ index: Schema.Finite, refused: Schema.Boolean, millis: Schema.Finite })

/**
 * Moves the end of the window back too; a window that is over stays over. One that comes back after a refusal is there for
 * the next.
 */
const giveBackStatement = forClaims((index) => {
  const [key, limit, seconds] = parametersOf(index)
  return `claim_${index} as (
  update rate_limits set
    count = least(count, ${limit}::bigint) - 1, expires_at = expires_at - make_interval(secs => ${seconds}::float8)
  where key = ${key}::text
  ${index === 0 ? "" : `and (select count(*) from claim_${index - 1}) is not null`}
  returning 1
)`
}, (index) => `select from claim_${index}`)

const sweepBatch = 1000

const sweepStatement = `
delete from rate_limits where key in (
  select key from rate_limits where expires_at <= now() limit ${sweepBatch} for update skip locked
)
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
    /** Per instance: its subjects are API keys that were verified, so there are only so many. */
    const local = yield* RateLimiter.RateLimiter

    const runOut = new Map<string, number>()

    const remember = (key: string, until: number) => {
      runOut.delete(key)
      runOut.set(key, until)
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
      const until = runOut.get(key)
      if (until === undefined) return
      const left = until - (yield* Clock.currentTimeMillis)
      if (left > 0) return yield* limited(left)
      runOut.delete(key)
    })

    const parameters = (claims: ReadonlyArray<Claim>, keys: ReadonlyArray<string>) =>
      claims.flatMap(({ action }, index) => {
        const { limit, window } = policy[action]
        return [keys[index], limit, Duration.toSeconds(window) / limit]
      })

    const giveBack = Effect.fnUntraced(function* (claims: ReadonlyArray<Claim>) {
      const keys = claims.map(keyOf)
      reopen(keys)
      yield* attempt("giveBackAllowance", sql.unsafe(giveBackStatement(claims.length), parameters(claims, keys))).pipe(
        Effect.ensuring(Effect.sync(() => reopen(keys)))
      )
    })

    const takeAll = Effect.fnUntraced(function* (claims: ReadonlyArray<Claim>) {
      const keys = claims.map(keyOf)
      for (const key of keys) yield* check(key)
      const questions = keys.map(asking)
      const taken = yield* attempt(
        "takeAllowance",
        Effect.flatMap(sql.unsafe(takeStatement(claims.length), parameters(claims, keys)), takeRows)
      ).pipe(Effect.ensuring(Effect.sync(() => questions.forEach(({ done }) => done()))))
      const refused = taken.find((claim) => claim.refused)
      if (refused === undefined) return
      if (!questions[refused.index]!.cameBack()) {
        remember(keys[refused.index]!, (yield* Clock.currentTimeMillis) + refused.millis)
      }
      if (refused.index > 0) yield* Effect.ignore(giveBack(claims.slice(0, refused.index)))
      return yield* limited(refused.millis)
    })

    const takeHere = (action: Action, subject: string) =>
      local.consume({ key: subject, algorithm: "token-bucket", ...policy[action], tokens: 1 }).pipe(
        Effect.catchTags({
          RateLimiterError: ({ reason }) =>
            reason._tag === "RateLimitExceeded" ? limited(Duration.toMillis(reason.retryAfter)) : Effect.die(reason)
        })
      )

    const forgetOver = Effect.map(Clock.currentTimeMillis, (now) => {
      for (const [key, until] of runOut) {
        if (until <= now) runOut.delete(key)
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
      giveBack,
      check: (action, subject) =>
        Effect.suspend(() => runOut.size === 0 ? Effect.void : check(keyOf({ action, subject })))
    })
  })
).pipe(Layer.provide([Queries.layer, RateLimiter.layer]), Layer.provide(RateLimiter.layerStoreMemory))
