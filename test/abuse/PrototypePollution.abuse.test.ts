// Keys that mean something to JavaScript. In a body, a query, a path or a frame they are data like any other: nothing is
// inherited from them, nothing is lost, and no object of the service knows more afterwards than before.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

const keys = ["__proto__", "constructor", "prototype", "toString", "valueOf", "hasOwnProperty", "then", "toJSON"]

/** The service runs in this process: what it pollutes shows here. */
const untouched = () => {
  const fresh = {} as Record<string, unknown>
  assert.isUndefined(fresh["polluted"])
  assert.isUndefined(fresh["banned"])
  assert.isUndefined(([] as unknown as Record<string, unknown>)["polluted"])
  assert.deepEqual(Object.keys(Object.prototype), [])
  assert.strictEqual(typeof fresh.toString, "function")
}

const polluted = '{"polluted":true,"banned":true,"username":"mallory","custom_id":"stolen"}'

layer(Server.layer(), Wire.options)("PrototypePollution", (it) => {
  for (const key of keys) {
    it.effect(`reads no field out of ${key} in a body`, () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        const post = (path: string, body: string) => call("POST", path, { bearer: tenant.api_key, body })
        for (const value of [polluted, `{"prototype":${polluted}}`]) {
          const missing = yield* post("/api/auth/auto", `{"${key}":${value}}`)
          Wire.isProblem(missing, 400, "invalid_request")
          assert.deepEqual(missing.body.errors.map(({ path }: { path: string }) => path), ["username"])
          const answer = yield* post("/api/auth/auto", `{"username":"eve","${key}":${value}}`)
          assert.strictEqual(answer.status, 200, answer.text)
          assert.deepEqual(answer.body.user, {
            id: answer.body.user.id,
            username: "eve",
            custom_id: null,
            picture_url: null,
            metadata: null
          })
          Wire.isProblem(yield* post("/api/token/refresh", `{"${key}":${value}}`), 400, "invalid_request")
          Wire.isProblem(yield* post("/api/auth/token", `{"${key}":${value}}`), 400, "invalid_request")
        }
        untouched()
      }))

    it.effect(`keeps ${key} in metadata as it was sent, at the top and deep down`, () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        const metadata = `{"${key}":${polluted},"deep":[{"${key}":{"${key}":"x"}}]}`
        const answer = yield* call("POST", "/api/auth/auto", {
          bearer: tenant.api_key,
          body: `{"username":"eve","metadata":${metadata}}`
        })
        assert.strictEqual(answer.status, 200, answer.text)
        const sent = JSON.parse(metadata)
        for (const source of [answer, yield* Wire.me(answer.body.token)]) {
          const { metadata } = source.body.user ?? source.body
          assert.deepEqual(metadata, sent)
          assert.isTrue(Object.hasOwn(metadata, key))
          assert.isTrue(Object.hasOwn(metadata.deep[0], key))
        }
        const { ready } = yield* Raw.openSocket(answer.body.token)
        assert.isTrue(Object.hasOwn(ready.user.metadata, key))
        untouched()
      }))

    it.effect(`finds nothing under ${key} as a token, a key, a path or a query`, () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        const { token } = yield* Wire.signIn(tenant)
        Wire.isProblem(yield* call("GET", "/api/me", { bearer: key }), 401, "invalid_token")
        Wire.isProblem(yield* call("GET", `/api/me?token=${key}`), 401, "invalid_token")
        Wire.isProblem(yield* call("GET", "/api/tenant/users", { bearer: `vc_${key}` }), 401, "invalid_api_key")
        Wire.isProblem(yield* Wire.refresh(key), 401, "invalid_refresh_token")
        Wire.isProblem(yield* Wire.login(key, key, Wire.password), 401, "invalid_credentials")
        Wire.isProblem(yield* Wire.setPassword(tenant, key, Wire.password), 400, "invalid_request")
        Wire.isProblem(yield* call("GET", `/api/${key}`), 404, "not_found")
        Wire.isProblem(yield* call("GET", `/${key}/${key}`), 404, "not_found")
        const query = `?${key}=x&${key}[polluted]=1&${key}.polluted=1`
        assert.strictEqual((yield* call("GET", `/api/me${query}`, { bearer: token })).status, 200)
        assert.strictEqual((yield* call("GET", `/api/tenant/users${query}`, { bearer: tenant.api_key })).status, 200)
        assert.strictEqual((yield* call("GET", "/health", { headers: { [key]: "x" } })).status, 200)
        untouched()
      }))

    it.effect(`answers a frame of type ${key} as an unknown one`, () =>
      Effect.gen(function* () {
        const { token } = yield* Wire.signIn(yield* Wire.makeTenant)
        const { connection } = yield* Raw.openSocket(token)
        connection.send(Raw.encode(Raw.opcode.text, `{"type":"${key}","id":1}`))
        connection.send(Raw.encode(Raw.opcode.text, `{"${key}":{"type":"ping"},"id":2}`))
        connection.send(Raw.encode(Raw.opcode.text, `{"type":"ping","id":3,"payload":{"${key}":${polluted}}}`))
        const error = { code: "invalid_request", detail: "Unknown frame type" }
        assert.deepEqual(yield* connection.json, { type: "error", payload: error, id: 1 })
        assert.deepEqual(yield* connection.json, { type: "error", payload: error, id: 2 })
        assert.deepEqual(yield* connection.json, { type: "pong", payload: {}, id: 3 })
        untouched()
      }))
  }

  it.effect("makes a user of every such name, each its own", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const users = yield* Effect.forEach(keys, (username) => Wire.signIn(tenant, username))
      assert.strictEqual(new Set(users.map(({ user }) => user.id)).size, keys.length)
      assert.deepEqual(users.map(({ user }) => user.username), keys)
      untouched()
    }))
})
