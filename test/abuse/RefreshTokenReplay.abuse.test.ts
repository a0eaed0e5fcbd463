// A stolen refresh token is presented after its owner used it, or the owner's after the thief did (RFC 9700 section
// 4.14.2). Whoever comes second ends the session for both, and nothing that ever came of it works again.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { SessionId } from "../../src/domain/Ids.ts"
import * as Server from "../support/Server.ts"
import { age } from "../support/Time.ts"
import * as Wire from "./Wire.ts"

/** A session with all the pairs it ever had, each used before the next. */
const family = Effect.fn("family")(function* (rotations: number) {
  const pairs: Array<Wire.Pair> = [yield* Wire.signIn(yield* Wire.makeTenant)]
  for (let rotation = 0; rotation < rotations; rotation++) {
    const pair = yield* Wire.refreshed(pairs.at(-1)!.refresh_token)
    assert.strictEqual((yield* Wire.me(pair.token)).status, 200)
    pairs.push(pair)
  }
  return pairs
})

const later = (pair: Wire.Pair, seconds: number) => age(Wire.sessionIdOf(pair.token) as SessionId, seconds)

const isDead = Effect.fn("isDead")(function* (pairs: ReadonlyArray<Wire.Pair>, code: string) {
  for (const [generation, pair] of pairs.entries()) {
    Wire.isProblem(yield* Wire.me(pair.token), 401, "invalid_token", `session token ${generation}`)
    Wire.isProblem(yield* Wire.refresh(pair.refresh_token), 401, code, `refresh token ${generation}`)
  }
})

layer(Server.layer(), Wire.options)("RefreshTokenReplay", (it) => {
  it.effect("repeats the same pair within the grace window, and ends nothing", () =>
    Effect.gen(function* () {
      const [first, second] = yield* family(1)
      yield* later(first!, 29)
      assert.deepEqual((yield* Wire.refreshed(first!.refresh_token)).refresh_token, second!.refresh_token)
      assert.strictEqual((yield* Wire.me(second!.token)).status, 200)
    }))

  it.effect("ends the whole family when a used token comes back after the grace window", () =>
    Effect.gen(function* () {
      const pairs = yield* family(1)
      yield* later(pairs[0]!, 31)
      Wire.isProblem(yield* Wire.refresh(pairs[0]!.refresh_token), 401, "refresh_token_reused")
      yield* isDead(pairs, "refresh_token_reused")
    }))

  it.effect("ends the whole family on a token two rotations old, although no grace window has passed", () =>
    Effect.gen(function* () {
      const pairs = yield* family(2)
      Wire.isProblem(yield* Wire.refresh(pairs[0]!.refresh_token), 401, "refresh_token_reused")
      yield* isDead(pairs, "refresh_token_reused")
    }))

  it.effect("refuses every one of ten generations after the revocation, the unborn next one included", () =>
    Effect.gen(function* () {
      const pairs = yield* family(10)
      yield* later(pairs[0]!, 31)
      Wire.isProblem(yield* Wire.refresh(pairs[4]!.refresh_token), 401, "refresh_token_reused")
      yield* isDead(pairs, "refresh_token_reused")
      Wire.isProblem(yield* Wire.refresh(pairs[10]!.refresh_token), 401, "refresh_token_reused")
    }))

  it.effect("lets no refresh through that races the replay of an old token", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 5; round++) {
        const pairs = yield* family(2)
        const answers = yield* Effect.forEach(
          [pairs[2]!, pairs[0]!, pairs[2]!, pairs[0]!, pairs[2]!],
          ({ refresh_token }) => Wire.refresh(refresh_token),
          { concurrency: "unbounded" }
        )
        const won = answers.filter(({ status }) => status === 200).map(({ body }) => body as Wire.Pair)
        assert.deepEqual([answers[1]!.body.code, answers[3]!.body.code], [
          "refresh_token_reused",
          "refresh_token_reused"
        ])
        yield* isDead([...pairs, ...won], "refresh_token_reused")
      }
    }))

  it.effect("ends the session for a right id with a made-up secret, and for no other session's id", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const victim = yield* Wire.signIn(tenant)
      const bystander = yield* Wire.signIn(tenant)
      const mixed = victim.refresh_token.slice(0, 32) + bystander.refresh_token.slice(32)
      Wire.isProblem(yield* Wire.refresh(mixed), 401, "refresh_token_reused")
      yield* isDead([victim], "refresh_token_reused")
      assert.strictEqual((yield* Wire.me(bystander.token)).status, 200)
      yield* Wire.refreshed(bystander.refresh_token)
    }))

  it.effect("signs the same user in afresh at once after a replay, within the same second", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const first = yield* Wire.signIn(tenant)
      Wire.isProblem(
        yield* Wire.refresh(first.refresh_token.slice(0, 32) + "0".repeat(32)),
        401,
        "refresh_token_reused"
      )
      const fresh = yield* Wire.signIn(tenant)
      assert.strictEqual((yield* Wire.me(fresh.token)).status, 200)
      yield* Wire.refreshed(fresh.refresh_token)
      yield* isDead([first], "refresh_token_reused")
    }))
})
