// Guessing is bounded by who guesses, over the wire: limits, what resets them, and what does not get around them.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"

const password = "correct horse battery"

const fresh = Effect.gen(function* () {
  const { body } = yield* call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Voice" } })
  const tenant = body as { app_id: string; api_key: string }
  yield* call("POST", "/api/tenant/users", { bearer: tenant.api_key, json: { username: "ada", password } })
  const login = (password: string, from: string, username = "ada") =>
    call("POST", "/api/auth/token", {
      json: { app_id: tenant.app_id, username, password },
      headers: { "x-forwarded-for": from }
    })
  return { ...tenant, login }
})

const codeOf = (answer: Server.Answer) => answer.body?.code ?? answer.status

const isLimited = (answer: Server.Answer) => {
  assert.deepEqual([answer.status, codeOf(answer)], [429, "rate_limited"], answer.text)
  const after = Number(answer.headers.get("retry-after"))
  assert.isTrue(Number.isInteger(after) && after >= 1, String(after))
  assert.strictEqual(answer.headers.get("cache-control"), "no-store")
}

const limits = {
  TRUST_PROXY: "1",
  LIMIT_LOGIN_ACCOUNT: "3",
  LIMIT_LOGIN_ADDRESS: "6",
  LIMIT_REFRESH_FAILURES: "4",
  LIMIT_REGISTRATIONS: "2",
  LIMIT_CHANNELS: "2",
  LIMIT_AUTO_AUTH: "5"
}

layer(Server.layer(limits), { excludeTestServices: true, timeout: "60 seconds" })("rate limits", (it) => {
  it.effect("stop a guesser at one account, and leave its owner elsewhere alone", () =>
    Effect.gen(function* () {
      const { login } = yield* fresh
      for (let guess = 0; guess < 3; guess++) {
        assert.strictEqual(codeOf(yield* login(`wrong guess ${guess}`, "203.0.113.1")), "invalid_credentials")
      }
      isLimited(yield* login("wrong again", "203.0.113.1"))
      isLimited(yield* login(password, "203.0.113.1"))
      assert.strictEqual((yield* login(password, "203.0.113.2")).status, 200)
    }))

  it.effect("shut an account that is not there like one that is, and tell them apart by nothing", () =>
    Effect.gen(function* () {
      const { login } = yield* fresh
      const shut = Effect.fnUntraced(function* (username: string, from: string) {
        for (let guess = 0; guess < 3; guess++) yield* login("wrong guess", from, username)
        const answer = yield* login("wrong guess", from, username)
        isLimited(answer)
        return answer.body
      })
      assert.deepEqual(yield* shut("nobody", "203.0.113.41"), yield* shut("ada", "203.0.113.42"))
    }))

  it.effect("let a user make so many channels, and others theirs", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const ada = (yield* Server.autoAuth(api_key, { username: "ada" })).body.token
      const bob = (yield* Server.autoAuth(api_key, { username: "bob" })).body.token
      const make = (bearer: string) => call("POST", "/api/channels", { bearer, json: { name: "Lobby" } })
      assert.deepEqual([(yield* make(ada)).status, (yield* make(ada)).status], [201, 201])
      isLimited(yield* make(ada))
      assert.strictEqual((yield* make(bob)).status, 201)
    }))

  it.effect("are not used up by logins that are right", () =>
    Effect.gen(function* () {
      const { login } = yield* fresh
      for (let time = 0; time < 8; time++) assert.strictEqual((yield* login(password, "203.0.113.3")).status, 200)
    }))

  it.effect("are not used up by who knows the password and is banned", () =>
    Effect.gen(function* () {
      const { api_key, login } = yield* fresh
      const { body } = yield* login(password, "203.0.113.32")
      const path = `/api/tenant/users/${body.user.id}`
      yield* call("PATCH", path, { bearer: api_key, json: { banned: true } })
      for (let time = 0; time < 8; time++) {
        assert.strictEqual(codeOf(yield* login(password, "203.0.113.32")), "user_banned")
      }
    }))

  it.effect("are used up by wrong guesses at a change of the password, and by no others", () =>
    Effect.gen(function* () {
      const { login } = yield* fresh
      const { body } = yield* login(password, "203.0.113.33")
      const change = (current_password: string) =>
        call("POST", "/api/me/password", {
          bearer: body.token,
          json: { current_password, new_password: "short" },
          headers: { "x-forwarded-for": "203.0.113.33" }
        })
      for (let time = 0; time < 8; time++) assert.strictEqual(codeOf(yield* change(password)), "invalid_request")
      for (let guess = 0; guess < 3; guess++) {
        assert.strictEqual(codeOf(yield* change("wrong guess")), "invalid_credentials")
      }
      isLimited(yield* change(password))
    }))

  it.effect("let an owner in again whose right logins came more at once than may fail", () =>
    Effect.gen(function* () {
      const { login } = yield* fresh
      yield* Effect.replicateEffect(login(password, "203.0.113.30"), 6, { concurrency: "unbounded" })
      assert.strictEqual((yield* login(password, "203.0.113.30")).status, 200)
    }))

  it.effect("cost an address nothing for guesses at an account that is shut already", () =>
    Effect.gen(function* () {
      const { api_key, login } = yield* fresh
      yield* call("POST", "/api/tenant/users", { bearer: api_key, json: { username: "bob", password } })
      for (let guess = 0; guess < 12; guess++) yield* login("wrong guess", "203.0.113.31")
      assert.strictEqual((yield* login(password, "203.0.113.31", "bob")).status, 200)
    }))

  it.effect("stop an address that tries one password on many accounts", () =>
    Effect.gen(function* () {
      const { login } = yield* fresh
      for (let account = 0; account < 6; account++) {
        const answer = yield* login("wrong guess", "203.0.113.4", `user ${account}`)
        assert.strictEqual(codeOf(answer), "invalid_credentials")
      }
      isLimited(yield* login("wrong guess", "203.0.113.4", "user 7"))
    }))

  it.effect("count a hundred guesses at once like a hundred in a row", () =>
    Effect.gen(function* () {
      const { login } = yield* fresh
      const answers = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, guess) => guess),
        (guess) => login(`wrong guess ${guess}`, "203.0.113.5"),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(answers.filter((answer) => codeOf(answer) === "invalid_credentials").length, 3)
    }))

  it.effect("see through spoofed hops, spellings of IPv6 and moves inside a /64", () =>
    Effect.gen(function* () {
      const spoofed = yield* fresh
      for (let guess = 0; guess < 3; guess++) yield* spoofed.login("wrong guess", `10.0.0.${guess}, 203.0.113.6`)
      isLimited(yield* spoofed.login("wrong guess", "198.51.100.7, 203.0.113.6"))
      const moving = yield* fresh
      const spellings = ["2001:db8::1", "2001:DB8:0:0:0:0:0:2", "[2001:db8::3]", "2001:0db8:0000:0000:ffff::4"]
      for (const from of spellings.slice(0, 3)) yield* moving.login("wrong guess", from)
      isLimited(yield* moving.login("wrong guess", spellings[3]!))
      const mapped = yield* fresh
      for (const from of ["::ffff:203.0.113.8", "203.0.113.8", "::ffff:cb00:7108"]) {
        yield* mapped.login("wrong guess", from)
      }
      isLimited(yield* mapped.login("wrong guess", "203.0.113.8"))
    }))

  it.effect("stop who guesses at refresh tokens, and from then on refuse it unasked", () =>
    Effect.gen(function* () {
      const refresh = (refresh_token: string) =>
        call("POST", "/api/token/refresh", { json: { refresh_token }, headers: { "x-forwarded-for": "203.0.113.9" } })
      for (let guess = 0; guess < 4; guess++) {
        assert.strictEqual(codeOf(yield* refresh("0".repeat(64))), "invalid_refresh_token")
      }
      isLimited(yield* refresh("0".repeat(64)))
      isLimited(yield* refresh("1".repeat(64)))
    }))

  it.effect("stop registrations from one address", () =>
    Effect.gen(function* () {
      const { api_key, app_id } = yield* fresh
      yield* call("PATCH", "/api/tenant", { bearer: api_key, json: { registration_enabled: true } })
      const register = (username: string) =>
        call("POST", "/api/register", {
          json: { app_id, username, password },
          headers: { "x-forwarded-for": "203.0.113.10" }
        })
      assert.strictEqual((yield* register("one")).status, 201)
      assert.strictEqual((yield* register("two")).status, 201)
      isLimited(yield* register("three"))
    }))

  it.effect("bound what one API key signs in, and no other key", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const other = yield* fresh
      for (let time = 0; time < 5; time++) {
        assert.strictEqual((yield* Server.autoAuth(api_key, { username: "ada" })).status, 200)
      }
      isLimited(yield* Server.autoAuth(api_key, { username: "ada" }))
      assert.strictEqual((yield* Server.autoAuth(other.api_key, { username: "ada" })).status, 200)
    }))
})
