// One user on two devices. What is done to the one session, by thief or by owner, never touches the other.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { SessionId } from "../../src/domain/Ids.ts"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import { age } from "../support/Time.ts"
import * as Wire from "./Wire.ts"

const twoDevices = Effect.gen(function* () {
  const tenant = yield* Wire.makeTenant
  const phone = yield* Wire.signIn(tenant)
  const laptop = yield* Wire.signIn(tenant)
  assert.strictEqual(phone.user.id, laptop.user.id)
  return { tenant, phone, laptop }
})

const lives = Effect.fn("lives")(function* (pair: Wire.Pair) {
  assert.strictEqual((yield* Wire.me(pair.token)).status, 200)
  const next = yield* Wire.refreshed(pair.refresh_token)
  assert.strictEqual((yield* Wire.me(next.token)).status, 200)
})

layer(Server.layer(), Wire.options)("RefreshOfAnotherSession", (it) => {
  it.effect("keeps the laptop signed in when the phone's old token is replayed", () =>
    Effect.gen(function* () {
      const { laptop, phone } = yield* twoDevices
      const next = yield* Wire.refreshed(phone.refresh_token)
      yield* Wire.refreshed(next.refresh_token)
      Wire.isProblem(yield* Wire.refresh(phone.refresh_token), 401, "refresh_token_reused")
      Wire.isProblem(yield* Wire.me(next.token), 401, "invalid_token")
      yield* lives(laptop)
    }))

  it.effect("ends the phone alone when the laptop's secret is presented under the phone's id", () =>
    Effect.gen(function* () {
      const { laptop, phone } = yield* twoDevices
      const mixed = phone.refresh_token.slice(0, 32) + laptop.refresh_token.slice(32)
      Wire.isProblem(yield* Wire.refresh(mixed), 401, "refresh_token_reused")
      Wire.isProblem(yield* Wire.me(phone.token), 401, "invalid_token")
      yield* lives(laptop)
    }))

  it.effect("keeps both signed in while both refresh at the same moment, many times over", () =>
    Effect.gen(function* () {
      const { laptop, phone } = yield* twoDevices
      let pairs: ReadonlyArray<Wire.Pair> = [phone, laptop]
      for (let round = 0; round < 5; round++) {
        pairs = yield* Effect.forEach(pairs, ({ refresh_token }) => Wire.refreshed(refresh_token), {
          concurrency: "unbounded"
        })
      }
      yield* lives(pairs[0]!)
      yield* lives(pairs[1]!)
      assert.notStrictEqual(Wire.sessionIdOf(pairs[0]!.token), Wire.sessionIdOf(pairs[1]!.token))
    }))

  it.effect("keeps the laptop signed in when the phone logs out or its session runs out", () =>
    Effect.gen(function* () {
      const { laptop, phone, tenant } = yield* twoDevices
      assert.strictEqual((yield* call("POST", "/api/logout", { bearer: phone.token })).status, 204)
      const tablet = yield* Wire.signIn(tenant)
      yield* age(Wire.sessionIdOf(tablet.token) as SessionId, 91 * 86_400)
      Wire.isProblem(yield* Wire.refresh(phone.refresh_token), 401, "invalid_refresh_token")
      Wire.isProblem(yield* Wire.refresh(tablet.refresh_token), 401, "invalid_refresh_token")
      yield* lives(laptop)
    }))

  it.effect("refuses a session token as a refresh token and a refresh token as a session token", () =>
    Effect.gen(function* () {
      const { laptop, phone } = yield* twoDevices
      Wire.isProblem(yield* Wire.me(phone.refresh_token), 401, "invalid_token")
      assert.strictEqual((yield* Wire.me(phone.token)).status, 200)
      Wire.isProblem(yield* Wire.refresh(phone.token), 401, "refresh_token_reused")
      yield* lives(laptop)
    }))
})
