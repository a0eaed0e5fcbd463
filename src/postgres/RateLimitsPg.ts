// Allowances in PostgreSQL, where all instances see them.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Effect, Layer } from "effect"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { type Action, type Claim, RateLimitPolicy } from "../domain/RateLimit.ts"
import { RateLimits } from "../services/RateLimits.ts"
import { Allowances, limitedFor } from "./Allowances.ts"
import { Refusal, takeStatement } from "./AllowanceStatements.ts"
import { Queries, rows } from "./Query.ts"

export const layer: Layer.Layer<RateLimits, never, PgClient> = Layer.effect(
  RateLimits,
  Effect.gen(function* () {
    const { attempt, sql } = yield* Queries
    const allowances = yield* Allowances
    const policy = yield* RateLimitPolicy
    const refusals = rows(Refusal)
    /** Per instance: its subjects are API keys that were verified, so there are only so many. */
    const local = yield* RateLimiter.RateLimiter

    const takeAll = (claims: ReadonlyArray<Claim>) =>
      Effect.asVoid(allowances.take(claims, (parameters) =>
        attempt(
          "takeAllowance",
          Effect.flatMap(sql.unsafe(takeStatement(claims.length), parameters), refusals)
        )))

    const takeHere = (action: Action, subject: string) =>
      local.consume({ key: subject, algorithm: "token-bucket", ...policy[action], tokens: 1 }).pipe(
        Effect.catchTags({
          RateLimiterError: ({ reason }) =>
            reason._tag === "RateLimitExceeded" ? limitedFor(Duration.toMillis(reason.retryAfter)) : Effect.die(reason)
        })
      )

    return RateLimits.of({
      take: (action, subject) => action === "auto_auth" ? takeHere(action, subject) : takeAll([{ action, subject }]),
      takeAll,
      giveBack: allowances.giveBack,
      check: (action, subject) => allowances.check({ action, subject })
    })
  })
).pipe(
  Layer.provide([Queries.layer, Allowances.layer, RateLimiter.layer]),
  Layer.provide(RateLimiter.layerStoreMemory)
)
