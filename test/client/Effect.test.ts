// The Effect client: which failure a refusal becomes, which the types say too, and what the scope and the stream do.
import { assert, it, layer } from "@effect/vitest"
import { Effect, Fiber, Option, Redacted, Stream } from "effect"
import { expectTypeOf } from "vitest"
import {
  type Auth,
  makeAuth,
  makeRealtime,
  type NotConnected,
  type Realtime,
  type Refused,
  type SignedOut,
  type Unavailable
} from "../../src/client/effect.ts"
import * as Server from "../support/Server.ts"
import { countedFetch, makeTenant, password, problem } from "./Support.ts"

it("names every failure in its type", () => {
  type Errors<A extends Effect.Effect<unknown, unknown, unknown>> = Effect.Error<A>
  expectTypeOf<Errors<ReturnType<Auth["login"]>>>().toEqualTypeOf<Refused | Unavailable>()
  expectTypeOf<Errors<Auth["token"]>>().toEqualTypeOf<SignedOut | Refused | Unavailable>()
  expectTypeOf<Errors<ReturnType<Auth["call"]>>>().toEqualTypeOf<SignedOut | Refused | Unavailable>()
  expectTypeOf<Errors<Realtime["connect"]>>().toEqualTypeOf<SignedOut | NotConnected | Refused | Unavailable>()
  expectTypeOf<Errors<ReturnType<Realtime["join"]>>>().toEqualTypeOf<NotConnected | Refused | Unavailable>()
})

layer(Server.layer(), { excludeTestServices: true, timeout: "60 seconds" })("Effect client", (it) => {
  it.effect("fails by what can be done about it", () =>
    Effect.gen(function* () {
      const { appId, baseUrl } = yield* makeTenant
      const calls = countedFetch()
      const auth = yield* makeAuth({ baseUrl, appId, fetch: calls.fetch })
      const signedOut = yield* Effect.flip(auth.token)
      assert.deepInclude(signedOut, { _tag: "SignedOut", code: "signed_out" })
      const refused = yield* Effect.flip(auth.login("ada", Redacted.make("not her password")))
      assert.deepInclude(refused, { _tag: "Refused", status: 401, code: "invalid_credentials" })
      calls.failing = () => problem(503, "unavailable", { "retry-after": "3" })
      const away = yield* Effect.flip(auth.login("ada", Redacted.make(password)))
      assert.deepInclude(away, { _tag: "Unavailable", status: 503, retryAfter: 3 })
      calls.failing = (_, call) => call()
      yield* auth.login("ada", Redacted.make(password))
      assert.isTrue(Redacted.isRedacted(yield* auth.token))
      assert.deepInclude(yield* Effect.flip(auth.call("POST", "/api/channels", { name: "" })), {
        _tag: "Refused",
        code: "invalid_request"
      })
      calls.failing = (path) => problem(401, path === "/api/me" ? "invalid_token" : "invalid_refresh_token")
      assert.strictEqual((yield* Effect.flip(auth.call("GET", "/api/me")))._tag, "SignedOut")
      assert.isTrue(Option.isNone(yield* auth.session))
    }))

  it.effect("streams the events of a socket that closes with its scope", () =>
    Effect.gen(function* () {
      const { appId, baseUrl } = yield* makeTenant
      const auth = yield* makeAuth({ baseUrl, appId })
      const changes = yield* auth.changes.pipe(
        Stream.take(2),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* auth.login("ada", Redacted.make(password))
      const events: Array<string> = []
      const realtime = yield* Effect.scoped(Effect.gen(function* () {
        const realtime = yield* makeRealtime(auth)
        assert.deepInclude(yield* Effect.flip(realtime.ping), { _tag: "NotConnected" })
        const ready = yield* realtime.events.pipe(
          Stream.tap(({ _tag }) => Effect.sync(() => events.push(_tag))),
          Stream.takeUntil(({ _tag }) => _tag === "ready"),
          Stream.runDrain,
          Effect.forkChild({ startImmediately: true })
        )
        yield* realtime.connect
        yield* Fiber.join(ready)
        assert.isAtLeast(yield* realtime.ping, 0)
        assert.deepInclude(yield* Effect.flip(realtime.join(1_000_000)), { _tag: "Refused", code: "not_found" })
        return realtime
      }))
      assert.deepEqual(events, ["state", "state", "ready"])
      assert.deepInclude(yield* Effect.flip(realtime.ping), { _tag: "NotConnected" })
      yield* auth.logout
      const seen = yield* Fiber.join(changes)
      assert.deepEqual(seen.map(Option.isSome), [true, false])
    }))
})
