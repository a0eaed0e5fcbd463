// A token in a URL is in every log on its way (RFC 9700 section 4.3.2). A tenant that takes none refuses it, however good
// it is, and says so to nobody who has no good one.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

const detail = "This tenant accepts no tokens in the URL"

const switched = Effect.fn("switched")(function* (tenant: Wire.Tenant, query_tokens: boolean) {
  const answer = yield* call("PATCH", "/api/tenant", { bearer: tenant.api_key, json: { query_tokens } })
  assert.deepEqual([answer.status, answer.body.query_tokens], [200, query_tokens])
})

const strictTenant = Effect.tap(Wire.makeTenant, (tenant) => switched(tenant, false))

const paths = ["/api/me", "/API/me", "/api/me/sessions", "/api/channels", "/api/ice-servers"]

const shake = Effect.fn("shake")(function* (path: string, headers: ReadonlyArray<string> = []) {
  const answer = yield* Raw.exchange(Raw.handshake(path, headers))
  return answer?.status === 101 ? [101] : [answer?.status, JSON.parse(answer!.text).detail]
})

layer(Server.layer(), Wire.options)("QueryTokenRefused", (it) => {
  it.effect("refuses a good token in the URL, alone or beside the header, on REST and at the socket", () =>
    Effect.gen(function* () {
      const { token } = yield* Wire.signIn(yield* strictTenant)
      for (const path of paths) {
        for (const query of [`?token=${token}`, `?a=1&%74oken=${token}`, `?token=${token}&token=${token}`]) {
          for (const bearer of [undefined, token]) {
            const answer = yield* call("GET", path + query, { bearer })
            Wire.isProblem(answer, 401, "invalid_token", path)
            assert.strictEqual(answer.body.detail, detail)
            assert.notInclude(answer.text, token)
            assert.strictEqual(answer.headers.get("cache-control"), "private, no-store")
            assert.strictEqual(answer.headers.get("referrer-policy"), "no-referrer")
          }
        }
      }
      const pair = `Sec-WebSocket-Protocol: roomkey.v1, roomkey.bearer.${token}`
      for (const headers of [[], [`Authorization: Bearer ${token}`], [pair]]) {
        assert.deepEqual(yield* shake(`/ws?token=${token}`, headers), [401, detail])
      }
    }))

  it.effect("takes the header, the subprotocol pair and a ticket", () =>
    Effect.gen(function* () {
      const { token } = yield* Wire.signIn(yield* strictTenant)
      for (const path of paths) assert.strictEqual((yield* call("GET", path, { bearer: token })).status, 200, path)
      assert.deepEqual(yield* shake("/ws", [`Authorization: Bearer ${token}`]), [101])
      assert.deepEqual(yield* shake("/ws", [`Sec-WebSocket-Protocol: roomkey.v1, roomkey.bearer.${token}`]), [101])
      const { body } = yield* call("POST", "/api/ws-ticket", { bearer: token })
      assert.deepEqual(yield* shake(`/ws?ticket=${body.ticket}`), [101])
    }))

  it.effect("says nothing of the tenant to a token that is not good", () =>
    Effect.gen(function* () {
      const lax = yield* Wire.signIn(yield* Wire.makeTenant)
      const strict = yield* Wire.signIn(yield* strictTenant)
      const forged = (token: string) => token.slice(0, 32) + "0".repeat(32)
      for (const path of ["/api/me", "/ws"]) {
        const [there, here] = [
          yield* call("GET", `${path}?token=${forged(strict.token)}`),
          yield* call("GET", `${path}?token=${forged(lax.token)}`)
        ]
        Wire.isProblem(there, 401, "invalid_token", path)
        assert.deepEqual(Wire.shown(there), Wire.shown(here))
      }
    }))

  it.effect("holds for the tenant that switched, from then on and until it switches back", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const { token } = yield* Wire.signIn(tenant)
      const other = yield* Wire.signIn(yield* Wire.makeTenant)
      const status = (token: string) => Effect.map(call("GET", `/api/me?token=${token}`), ({ status }) => status)
      assert.strictEqual(yield* status(token), 200)
      yield* switched(tenant, false)
      assert.strictEqual(yield* status(token), 401)
      assert.strictEqual(yield* status(other.token), 200)
      yield* switched(tenant, true)
      assert.strictEqual(yield* status(token), 200)
      assert.deepEqual(yield* shake(`/ws?token=${token}`), [101])
    }))
})
