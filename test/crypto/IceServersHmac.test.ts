// The credential against `openssl dgst -sha1 -hmac`, and its end against the clock.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as IceServersHmac from "../../src/crypto/IceServersHmac.ts"
import type { UserId } from "../../src/domain/Ids.ts"
import { IceServers } from "../../src/services/IceServers.ts"

const iceServers = [{ urls: ["stun:stun.example"] }]
const urls = ["turn:turn.example?transport=udp", "turns:turn.example"]
const turn = Option.some({ urls, secret: Redacted.make("north"), ttl: Duration.minutes(10) })

const forUser = (id: number) => Effect.map(IceServers, (ice) => ice.forUser(id as UserId))

describe("IceServersHmac", () => {
  it.effect("gives each user a name that ends, and the HMAC-SHA1 of it", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_000)
      const ada = yield* forUser(42)
      assert.strictEqual(ada.expiresIn, 600)
      assert.deepEqual(ada.servers, [
        ...iceServers,
        { urls, username: "1700000600:42", credential: Redacted.make("c8I0lj+p3rCkviOWydupNEuAt5Q=") }
      ])
      const bob = yield* forUser(43)
      assert.deepEqual(bob.servers[1]?.credential, Redacted.make("R8bSiQ7jfI6Io8QRGtrlcOB57XE="))
    }).pipe(Effect.provide(IceServersHmac.layer({ iceServers, turn }))))

  it.effect("counts from now, and ends no sooner than it says", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_001)
      assert.strictEqual((yield* forUser(42)).servers[1]?.username, "1700000601:42")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* forUser(42)).servers[1]?.username, "1700004201:42")
    }).pipe(Effect.provide(IceServersHmac.layer({ iceServers, turn }))))

  it.effect("gives everybody the same for good where there is no TURN secret", () =>
    Effect.gen(function* () {
      assert.deepEqual(yield* forUser(42), { servers: iceServers, expiresIn: null })
    }).pipe(Effect.provide(IceServersHmac.layer({ iceServers, turn: Option.none() }))))
})
