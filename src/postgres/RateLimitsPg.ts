// Allowances in PostgreSQL, where all instances see them, through Effect's `RateLimiter`. Subjects are hashed: whatever
// an attacker puts into a name, its key has one size. What has run out is remembered here, so that a flood is refused
// without asking the database.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Duration, Effect, Layer, Schedule, Schema } from "effect"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { createHash } from "node:crypto"
import { type Action, RateLimited, RateLimitPolicy } from "../domain/RateLimit.ts"
import { StoreUnavailable } from "../domain/Unavailable.ts"
import { RateLimits } from "../services/RateLimits.ts"
import { Queries, rows } from "./Query.ts"

/** Beyond the limit neither the count nor the window grows: who waits is let in again. */
const takeStatement = `
insert into rate_limits as r (key, count, expires_at)
values ($1::text, $2::bigint, now() + make_interval(secs => $3::float8 * $2))
on conflict (key) do update set
  count = case when r.expires_at <= now() then excluded.count else least(r.count + $2, $4::bigint + 1) end,
  expires_at = case
    when r.expires_at <= now() then excluded.expires_at
    when r.count + $2 > $4::bigint then r.expires_at
    else r.expires_at + make_interval(secs => $3 * $2)
  end
returning count::float8 as count, greatest(extract(epoch from expires_at - now()) * 1000, 0)::float8 as ttl`

const TakeRow = Schema.Struct({ count: Schema.Finite, ttl: Schema.Finite })

const sweepBatch = 1000

const sweepStatement = `
delete from rate_limits where key in (
  select key from rate_limits where expires_at <= now() limit ${sweepBatch} for update skip locked
)
returning 1 as gone`

/** Subjects remembered as run out; the oldest is forgotten first. */
const maxRemembered = 10_000

const unsupported = Effect.die("RateLimitsPg: only fixed windows are used")

export const layer: Layer.Layer<RateLimits, never, PgClient> = Layer.effect(
  RateLimits,
  Effect.gen(function* () {
    const { attempt, sql } = yield* Queries
    const policy = yield* RateLimitPolicy
    const takeRows = rows(TakeRow)

    const storeError = (cause: StoreUnavailable) =>
      new RateLimiter.RateLimiterError({
        reason: new RateLimiter.RateLimitStoreError({ message: "The database did not answer", cause })
      })

    const shared = yield* RateLimiter.make.pipe(
      Effect.provideService(RateLimiter.RateLimiterStore, {
        fixedWindow: ({ key, limit, refillRate, tokens }) =>
          attempt(
            "takeAllowance",
            sql.unsafe(takeStatement, [key, tokens, Duration.toSeconds(refillRate), limit ?? null]).pipe(
              Effect.flatMap(takeRows)
            )
          ).pipe(
            Effect.mapError(storeError),
            Effect.flatMap(([row]) =>
              row === undefined ? Effect.die("takeAllowance: no row") : Effect.succeed([row.count, row.ttl] as const)
            )
          ),
        tokenBucket: () => unsupported,
        adaptiveConsume: () => unsupported,
        adaptiveFeedback: () => unsupported
      })
    )
    /** Per instance: its subjects are API keys that were verified, so there are only so many. */
    const local = yield* RateLimiter.RateLimiter

    const runOut = new Map<string, number>()

    const remember = (key: string, until: number) => {
      runOut.delete(key)
      runOut.set(key, until)
      if (runOut.size > maxRemembered) runOut.delete(runOut.keys().next().value!)
    }

    const keyOf = (action: Action, subject: string): string =>
      `${action} ${createHash("sha256").update(subject).digest("base64url")}`

    const check = Effect.fnUntraced(function* (key: string) {
      const until = runOut.get(key)
      if (until === undefined) return
      const left = until - (yield* Clock.currentTimeMillis)
      if (left > 0) return yield* new RateLimited({ retryAfter: Math.ceil(left / 1000) })
      runOut.delete(key)
    })

    const consume = Effect.fnUntraced(function* (action: Action, subject: string, tokens: number) {
      const key = keyOf(action, subject)
      if (tokens > 0) yield* check(key)
      const { limit, window } = policy[action]
      const perInstance = action === "auto_auth"
      const limiter = perInstance ? local : shared
      yield* limiter.consume({
        key: perInstance ? subject : key,
        algorithm: perInstance ? "token-bucket" : "fixed-window",
        limit,
        window,
        tokens
      }).pipe(
        Effect.catchTag(
          "RateLimiterError",
          Effect.fnUntraced(function* ({ reason }) {
            if (reason._tag === "RateLimitStoreError") {
              return yield* new StoreUnavailable({ operation: "takeAllowance", cause: reason.cause })
            }
            const millis = Duration.toMillis(reason.retryAfter)
            if (!perInstance) remember(key, (yield* Clock.currentTimeMillis) + millis)
            return yield* new RateLimited({ retryAfter: Math.max(1, Math.ceil(millis / 1000)) })
          })
        )
      )
    })

    yield* attempt("sweepAllowances", sql.unsafe(sweepStatement)).pipe(
      Effect.repeat({ while: (gone) => gone.length === sweepBatch }),
      Effect.ignore,
      Effect.repeat(Schedule.spaced("1 minute")),
      Effect.forkScoped
    )

    return RateLimits.of({
      take: (action, subject) => consume(action, subject, 1),
      giveBack: (action, subject) =>
        Effect.suspend(() => {
          // Whatever ran out has not, now that something came back.
          runOut.delete(keyOf(action, subject))
          return consume(action, subject, -1)
        }).pipe(Effect.catchTags({ RateLimited: () => Effect.void })),
      check: (action, subject) => check(keyOf(action, subject))
    })
  })
).pipe(Layer.provide([Queries.layer, RateLimiter.layer]), Layer.provide(RateLimiter.layerStoreMemory))
