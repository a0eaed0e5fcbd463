// Fifty calls with one refresh token: two tabs, a retry storm, or a thief that races the owner. One generation comes of
// it, whichever instance answered, and nobody is logged out.
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { SessionId } from "../../src/domain/Ids.ts"
import * as SystemUnderTest from "../../src/server/Server.ts"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import { age } from "../support/Time.ts"
import * as World from "../support/World.ts"
import * as Wire from "./Wire.ts"

const atOnce = <A, E, R>(count: number, effect: (index: number) => Effect.Effect<A, E, R>) =>
  Effect.all(Array.from({ length: count }, (_, index) => effect(index)), { concurrency: "unbounded" })

const pairsOf = (answers: ReadonlyArray<Server.Answer>) => {
  for (const answer of answers) assert.strictEqual(answer.status, 200, answer.text)
  return new Set(answers.map(({ body }) => `${body.token} ${body.refresh_token}`))
}

layer(Server.layer(), Wire.options)("ConcurrentRefresh", (it) => {
  it.effect("answers fifty parallel refreshes of one token by one and the same pair, which then works", () =>
    Effect.gen(function* () {
      const first = yield* Wire.signIn(yield* Wire.makeTenant)
      const answers = yield* atOnce(50, () => Wire.refresh(first.refresh_token))
      assert.strictEqual(pairsOf(answers).size, 1)
      const pair: Wire.Pair = answers[0]!.body
      assert.strictEqual((yield* Wire.me(pair.token)).status, 200)
      yield* Wire.refreshed(pair.refresh_token)
    }))

  it.effect("refuses no request that is in flight with the old session token meanwhile", () =>
    Effect.gen(function* () {
      const first = yield* Wire.signIn(yield* Wire.makeTenant)
      const answers = yield* atOnce(
        50,
        (index) => index % 2 === 0 ? Wire.refresh(first.refresh_token) : Wire.me(first.token)
      )
      for (const answer of answers) assert.strictEqual(answer.status, 200, answer.text)
      assert.strictEqual(pairsOf(answers.filter((_, index) => index % 2 === 0)).size, 1)
    }))

  it.effect("gives fifty parallel calls of a device that slept through its answer one replacement pair", () =>
    Effect.gen(function* () {
      const first = yield* Wire.signIn(yield* Wire.makeTenant)
      const lost = yield* Wire.refreshed(first.refresh_token)
      yield* age(Wire.sessionIdOf(first.token) as SessionId, 3600)
      const answers = yield* atOnce(50, () => Wire.refresh(first.refresh_token))
      const pairs = pairsOf(answers)
      assert.strictEqual(pairs.size, 1)
      assert.isFalse(pairs.has(`${lost.token} ${lost.refresh_token}`))
      assert.strictEqual((yield* Wire.me(answers[0]!.body.token)).status, 200)
    }))

  it.effect("hands out one line of pairs when every holder of a pair refreshes it at once, again and again", () =>
    Effect.gen(function* () {
      let pair: Wire.Pair = yield* Wire.signIn(yield* Wire.makeTenant)
      for (let generation = 0; generation < 5; generation++) {
        const answers = yield* atOnce(10, () => Wire.refresh(pair.refresh_token))
        assert.strictEqual(pairsOf(answers).size, 1)
        pair = answers[0]!.body
      }
      assert.strictEqual((yield* Wire.me(pair.token)).status, 200)
    }))

  it.effect("gives one pair although two instances share the calls", () =>
    Effect.gen(function* () {
      const first = yield* Wire.signIn(yield* Wire.makeTenant)
      const second = yield* Layer.build(
        Layer.fresh(Layer.unwrap(Effect.map(World.config(), SystemUnderTest.layerNoDatabase)))
      )
      const there = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideContext(effect, second)
      const answers = yield* atOnce(50, (index) => {
        const refresh = Wire.refresh(first.refresh_token)
        return index % 2 === 0 ? refresh : there(refresh)
      })
      assert.strictEqual(pairsOf(answers).size, 1)
      assert.strictEqual((yield* there(Wire.me(answers[0]!.body.token))).status, 200)
      assert.strictEqual((yield* there(call("GET", "/ready"))).status, 200)
    }))
})
