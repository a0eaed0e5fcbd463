// Guessing who has an account. Until the password is right, an app that is not there, a user that is not there, one
// without a password, one who is banned and one whose tenant is suspended get one answer, to the byte and the header.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as Wire from "./Wire.ts"

const wrong = "wrong horse battery"

const world = Effect.gen(function* () {
  const sql = yield* PgClient
  const tenant = yield* Wire.makeTenant
  yield* Wire.createUser(tenant, "ada")
  yield* Wire.signIn(tenant, "bob")
  const { id } = yield* Wire.createUser(tenant, "eve")
  yield* sql`update users set banned_at = now() where id = ${id}`
  const suspended = yield* Wire.makeTenant
  yield* Wire.createUser(suspended, "ada")
  yield* Wire.signIn(suspended, "bob")
  yield* sql`update tenants set suspended_at = now() where id = ${suspended.id}`
  return { tenant, suspended }
})

layer(Server.layer(), Wire.options)("PasswordOracle", (it) => {
  it.effect("gives every refusal the same status, body and headers", () =>
    Effect.gen(function* () {
      const { suspended, tenant } = yield* world
      const expected = yield* Wire.login(tenant.app_id, "ada", wrong)
      Wire.isProblem(expected, 401, "invalid_credentials")
      const attempts: ReadonlyArray<readonly [name: string, appId: string, username: string, password: string]> = [
        ["a wrong password that is the username", tenant.app_id, "ada", "ada"],
        ["a wrong password too short to be one", tenant.app_id, "ada", "x"],
        ["the right password in another case", tenant.app_id, "ada", Wire.password.toUpperCase()],
        ["the right password and a space", tenant.app_id, "ada", `${Wire.password} `],
        ["the beginning of the right password", tenant.app_id, "ada", Wire.password.slice(0, -1)],
        ["no such user", tenant.app_id, "nobody", Wire.password],
        ["the username in another case", tenant.app_id, "Ada", Wire.password],
        ["a user without a password", tenant.app_id, "bob", Wire.password],
        ["a banned user and a wrong password", tenant.app_id, "eve", wrong],
        ["no such app", `vc_app_${"0".repeat(32)}`, "ada", Wire.password],
        ["an app id that cannot be one", "' or 1=1 --", "ada", Wire.password],
        ["an empty app id", "", "ada", Wire.password],
        ["the app id in another case", tenant.app_id.toUpperCase(), "ada", Wire.password],
        ["the API key for an app id", tenant.api_key, "ada", Wire.password],
        ["a suspended tenant and a wrong password", suspended.app_id, "ada", wrong],
        ["a suspended tenant and no such user", suspended.app_id, "nobody", wrong],
        ["a suspended tenant and a user without a password", suspended.app_id, "bob", wrong]
      ]
      for (const [name, appId, username, password] of attempts) {
        assert.deepEqual(Wire.shown(yield* Wire.login(appId, username, password)), Wire.shown(expected), name)
      }
    }))

  it.effect("tells the owner of the right password why it may not come in", () =>
    Effect.gen(function* () {
      const { suspended, tenant } = yield* world
      assert.strictEqual((yield* Wire.login(tenant.app_id, "ada", Wire.password)).status, 200)
      Wire.isProblem(yield* Wire.login(tenant.app_id, "eve", Wire.password), 403, "user_banned")
      Wire.isProblem(yield* Wire.login(suspended.app_id, "ada", Wire.password), 403, "tenant_suspended")
    }))

  it.effect("reads no password that came as anything but text", () =>
    Effect.gen(function* () {
      const { tenant } = yield* world
      for (const password of [null, true, 0, [], {}, ["correct horse battery"], { $ne: null }, { length: 8 }]) {
        const answer = yield* call("POST", "/api/auth/token", {
          json: { app_id: tenant.app_id, username: "ada", password }
        })
        Wire.isProblem(answer, 400, "invalid_request", JSON.stringify(password))
        assert.deepEqual(answer.body.errors.map(({ path }: { path: string }) => path), ["password"])
      }
    }))
})
