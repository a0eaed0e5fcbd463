// GET /api/ice-servers, and `ready`: the same servers, for signed-in users alone.
import { assert, describe, layer } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { createHmac } from "node:crypto"
import * as Raw from "../abuse/Raw.ts"
import * as Wire from "../abuse/Wire.ts"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"

const environment = {
  ICE_SERVERS: JSON.stringify([
    { urls: "stun:stun.example" },
    { urls: ["turns:static.example"], username: "everybody", credential: "the same" }
  ]),
  TURN_URLS: "turn:turn.example?transport=udp, turn:turn.example?transport=tcp",
  TURN_SECRET: "north",
  TURN_TTL: "10 minutes"
}

const signedIn = Effect.fnUntraced(function* (username: string) {
  const { api_key } = yield* Wire.makeTenant
  const { body } = yield* Server.autoAuth(api_key, { username })
  return body as { readonly token: string; readonly user: { readonly id: number } }
})

const isFor = Effect.fnUntraced(function* (servers: ReadonlyArray<Record<string, unknown>>, userId: number) {
  const turn = servers[2]
  const username = String(turn?.["username"])
  assert.deepEqual(servers, [
    { urls: ["stun:stun.example"] },
    { urls: ["turns:static.example"], username: "everybody", credential: "the same" },
    {
      urls: ["turn:turn.example?transport=udp", "turn:turn.example?transport=tcp"],
      username,
      credential: createHmac("sha1", environment.TURN_SECRET).update(username).digest("base64")
    }
  ])
  const [expiry, id] = username.split(":").map(Number)
  assert.strictEqual(id, userId)
  const left = expiry! - (yield* Clock.currentTimeMillis) / 1000
  assert.isTrue(left > 540 && left < 601, `${left}`)
})

describe("GET /api/ice-servers", () => {
  layer(Server.layer(environment), Wire.options)("with STUN and TURN", (it) => {
    it.effect("answers each user by name, and is never stored", () =>
      Effect.gen(function* () {
        for (const name of ["ada", "bob"]) {
          const { token, user } = yield* signedIn(name)
          const answer = yield* call("GET", "/api/ice-servers", { bearer: token })
          assert.strictEqual(answer.status, 200, answer.text)
          assert.strictEqual(answer.headers.get("cache-control"), "no-store")
          assert.deepEqual(Object.keys(answer.body).sort(), ["expires_in", "ice_servers"])
          assert.strictEqual(answer.body.expires_in, 600)
          yield* isFor(answer.body.ice_servers, user.id)
          assert.strictEqual((yield* call("GET", `/api/ice-servers?token=${token}`)).status, 200)
        }
      }))

    it.effect("is closed to whoever is not signed in", () =>
      Effect.gen(function* () {
        const { api_key } = yield* Wire.makeTenant
        for (const bearer of [undefined, "0".repeat(64), api_key]) {
          const answer = yield* call("GET", "/api/ice-servers", { bearer })
          Wire.isProblem(answer, 401, "invalid_token", `${bearer}`)
          assert.notInclude(answer.text, "example")
        }
      }))

    it.effect("says in ready what the endpoint says", () =>
      Effect.gen(function* () {
        const { token, user } = yield* signedIn("ada")
        const { ready } = yield* Raw.openSocket(token)
        yield* isFor(ready.ice_servers, user.id)
      }))
  })

  layer(Server.layer(), Wire.options)("with none", (it) => {
    it.effect("answers that there are none, for good", () =>
      Effect.gen(function* () {
        const { token } = yield* signedIn("ada")
        const { body } = yield* call("GET", "/api/ice-servers", { bearer: token })
        assert.deepEqual(body, { ice_servers: [], expires_in: null })
      }))
  })
})
