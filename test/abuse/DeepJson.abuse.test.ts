// JSON that is small on the wire and large to whoever walks it: depth, breadth, long numbers, repeated keys. At every
// door it is refused, or read, in one step, and the service answers the next caller.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

const objects = (levels: number, inner = "1") => '{"a":'.repeat(levels) + inner + "}".repeat(levels)
const arrays = (levels: number) => "[".repeat(levels) + "]".repeat(levels)

/** Each is a JSON text of its own, or pretends to be, and fits into 64 KiB. */
const texts: ReadonlyArray<readonly [name: string, text: string]> = [
  ["10,000 objects in one another", objects(10_000)],
  ["30,000 arrays in one another", arrays(30_000)],
  ["60,000 brackets that nobody closes", "[".repeat(60_000)],
  ["10,000 objects that nobody closes", '{"a":'.repeat(10_000)],
  ["objects and arrays in turn", '[{"a":'.repeat(8000) + "1" + "}]".repeat(8000)],
  ["5,000 keys", `{${Array.from({ length: 5000 }, (_, n) => `"k${n}":1`).join()}}`],
  ["keys that a hash table sorts badly", `{${Array.from({ length: 4000 }, (_, n) => `"${n * 65_536}":1`).join()}}`],
  ["30,000 numbers", `[${Array.from({ length: 30_000 }, () => "1").join()}]`],
  ["a number of 60,000 digits", "9".repeat(60_000)],
  ["a fraction of 60,000 digits", `0.${"0".repeat(59_990)}1`],
  ["a string of 10,000 escapes", `"${"\\u0041".repeat(10_000)}"`],
  ["a string of 10,000 half characters", `"${"\\ud800".repeat(10_000)}"`],
  ["one key 7,000 times", `{${Array.from({ length: 7000 }, () => '"a":1').join()}}`],
  ["60,000 spaces", " ".repeat(60_000)]
]

layer(Server.layer(), Wire.options)("DeepJson", (it) => {
  for (const [name, text] of texts) {
    it.effect(`refuses ${name} at every door that takes a body`, () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        const { token, user } = yield* Wire.signIn(tenant)
        const doors = [
          ["POST", "/api/auth/auto", tenant.api_key, "username"],
          ["POST", "/api/auth/token", undefined, "password"],
          ["POST", "/api/token/refresh", undefined, "refresh_token"],
          ["POST", "/api/channels", token, "name"],
          ["POST", "/api/tenant/users", tenant.api_key, "custom_id"],
          ["PUT", `/api/tenant/users/${user.id}/password`, tenant.api_key, "password"],
          ["POST", "/api/admin/tenants", World.adminKey, "name"]
        ] as const
        for (const [method, path, bearer, field] of doors) {
          for (const body of [text, `{"${field}":${text}}`]) {
            const answer = yield* call(method, path, { bearer, body })
            Wire.isProblem(answer, 400, "invalid_request", `${path} ${answer.text.slice(0, 200)}`)
            assert.isBelow(answer.text.length, 2000)
          }
        }
        assert.strictEqual((yield* Wire.me(token)).status, 200)
      }))

    it.effect(`answers ${name} in metadata by yes or no, and forgets or keeps it whole`, () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        const answer = yield* call("POST", "/api/auth/auto", {
          bearer: tenant.api_key,
          body: `{"username":"eve","metadata":{"m":${text}}}`
        })
        assert.include([200, 400], answer.status, answer.text.slice(0, 200))
        const listed = yield* call("GET", "/api/tenant/users", { bearer: tenant.api_key })
        assert.strictEqual(listed.body.users.length, answer.status === 200 ? 1 : 0)
        if (answer.status === 200) assert.deepEqual(listed.body.users[0].metadata, { m: JSON.parse(text) })
      }))

    it.effect(`answers ${name} in a frame by an error, and the next ping by pong`, () =>
      Effect.gen(function* () {
        const { token } = yield* Wire.signIn(yield* Wire.makeTenant)
        const { connection } = yield* Raw.openSocket(token)
        const send = (text: string) => connection.send(Raw.encode(Raw.opcode.text, text))
        send(text)
        send(`{"type":${text}}`)
        send('{"type":"ping","id":"next"}')
        assert.strictEqual((yield* connection.json).type, "error")
        assert.strictEqual((yield* connection.json).type, "error")
        assert.deepEqual(yield* connection.json, { type: "pong", payload: {}, id: "next" })
      }))
  }

  it.effect("takes metadata of 64 levels, itself the first, and refuses one more", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const withDepth = (levels: number) =>
        call("POST", "/api/auth/auto", {
          bearer: tenant.api_key,
          body: `{"username":"eve","metadata":${objects(levels)}}`
        })
      assert.strictEqual((yield* withDepth(64)).status, 200)
      Wire.isProblem(yield* withDepth(65), 400, "invalid_request")
    }))

  it.effect("takes the last of two equal keys, once for what is checked and for what is kept", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const answer = yield* call("POST", "/api/auth/auto", {
        bearer: tenant.api_key,
        body: '{"username":"\\u0000","username":"eve","metadata":{"a":"\\u0000","a":1}}'
      })
      assert.strictEqual(answer.status, 200, answer.text)
      assert.deepEqual([answer.body.user.username, answer.body.user.metadata], ["eve", { a: 1 }])
    }))
})
