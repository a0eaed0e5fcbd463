// What statements that take allowances and those that give them back know in common. Subjects are hashed: whatever an
// attacker puts into a name, its key has one size. What has run out is remembered here, so that a flood is refused without
// asking the database.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Context, Duration, Effect, Layer, Schedule } from "effect"
import { hash } from "node:crypto"
import { type Claim, RateLimited, RateLimitPolicy } from "../domain/RateLimit.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"
import { giveBackStatement, type Refusal, sweepBatch, sweepStatement } from "./AllowanceStatements.ts"
import { Queries } from "./Query.ts"

/** Subjects remembered as run out; the oldest is forgotten first. */
const maxRemembered = 10_000

const keyOf = ({ action, subject }: Claim): string => `${action} ${hash("sha256", subject, "base64url")}`

export const limitedFor = (millis: number) => new RateLimited({ retryAfter: Math.max(1, Math.ceil(millis / 1000)) })

/** The parameters of a statement's claims, three of each. */
export type ClaimParameters = ReadonlyArray<string | number>

/** Allowances, for the adapters whose statements take them or give them back. */
export class Allowances extends Context.Service<Allowances, {
  /** Takes the claims by `ask`, whose rows say which was refused: those before it are given back. */
  readonly take: <Row extends Refusal, E, R>(
    claims: ReadonlyArray<Claim>,
    ask: (parameters: ClaimParameters) => Effect.Effect<ReadonlyArray<Row>, E, R>
  ) => Effect.Effect<ReadonlyArray<Row>, E | RateLimited, R>
  /** Runs `ask`, which may give the claims back. */
  readonly giveBackBy: <A, E, R>(
    claims: ReadonlyArray<Claim>,
    ask: (parameters: ClaimParameters) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R>
  readonly giveBack: (claims: ReadonlyArray<Claim>) => Effect.Effect<void, StoreUnavailable>
  /** Refuses what is remembered as run out. */
  readonly check: (claim: Claim) => Effect.Effect<void, RateLimited>
}>()("roomkey/postgres/Allowances") {
  static readonly layer: Layer.Layer<Allowances, never, PgClient> = Layer.effect(
    Allowances,
    Effect.gen(function* () {
      const { attempt, sql } = yield* Queries
      const policy = yield* RateLimitPolicy

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

      const checkKey = Effect.fnUntraced(function* (key: string) {
        const until = runOut.get(key)
        if (until === undefined) return
        const left = until - (yield* Clock.currentTimeMillis)
        if (left > 0) return yield* limitedFor(left)
        runOut.delete(key)
      })

      const parameters = (claims: ReadonlyArray<Claim>, keys: ReadonlyArray<string>): ClaimParameters =>
        claims.flatMap(({ action }, index) => {
          const { limit, window } = policy[action]
          return [keys[index]!, limit, Duration.toSeconds(window) / limit]
        })

      const giveBackBy = <A, E, R>(
        claims: ReadonlyArray<Claim>,
        ask: (parameters: ClaimParameters) => Effect.Effect<A, E, R>
      ): Effect.Effect<A, E, R> =>
        Effect.suspend(() => {
          const keys = claims.map(keyOf)
          reopen(keys)
          return Effect.ensuring(ask(parameters(claims, keys)), Effect.sync(() => reopen(keys)))
        })

      const giveBack = (claims: ReadonlyArray<Claim>) =>
        claims.length === 0
          ? Effect.void
          : Effect.asVoid(giveBackBy(claims, (parameters) =>
            attempt("giveBackAllowance", sql.unsafe(giveBackStatement(claims.length), parameters))))

      const take = Effect.fnUntraced(function* <Row extends Refusal, E, R>(
        claims: ReadonlyArray<Claim>,
        ask: (parameters: ClaimParameters) => Effect.Effect<ReadonlyArray<Row>, E, R>
      ) {
        const keys = claims.map(keyOf)
        for (const key of keys) {
          if (runOut.has(key)) yield* checkKey(key)
        }
        const questions = keys.map(asking)
        const found = yield* Effect.ensuring(
          ask(parameters(claims, keys)),
          Effect.sync(() => questions.forEach(({ done }) => done()))
        )
        const refused = found[0]?.refused ?? null
        if (refused === null) return found
        const millis = found[0]?.millis ?? 0
        if (!questions[refused]!.cameBack()) remember(keys[refused]!, (yield* Clock.currentTimeMillis) + millis)
        yield* Effect.ignore(giveBack(claims.slice(0, refused)))
        return yield* limitedFor(millis)
      })

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

      return Allowances.of({
        take,
        giveBackBy,
        giveBack,
        check: (claim) => Effect.suspend(() => runOut.size === 0 ? Effect.void : checkKey(keyOf(claim)))
      })
    })
  ).pipe(Layer.provide(Queries.layer))
}
