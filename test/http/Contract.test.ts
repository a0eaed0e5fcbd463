// The contract's core over the wire, field by field and code by code.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"

const hex64 = /^[0-9a-f]{64}$/

const fresh = Effect.gen(function* () {
  const { body } = yield* call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Voice" } })
  return body as { id: number; name: string; app_id: string; api_key: string }
})

const signedIn = Effect.gen(function* () {
  const tenant = yield* fresh
  const { body } = yield* Server.autoAuth(tenant.api_key, { username: "ada" })
  return { tenant, ...(body as { token: string; refresh_token: string; user: { id: number } }) }
})

const isProblem = (answer: Server.Answer, status: number, code: string) => {
  assert.strictEqual(answer.status, status, answer.text)
  assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/)
  assert.strictEqual(answer.body.code, code)
  assert.strictEqual(answer.body.status, status)
  assert.isString(answer.body.type)
  assert.isString(answer.body.title)
}

layer(Server.layer(), { excludeTestServices: true, timeout: "60 seconds" })("the contract", (it) => {
  it.effect("makes a tenant with an app id and a key that is shown once", () =>
    Effect.gen(function* () {
      const answer = yield* call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Voice" } })
      assert.strictEqual(answer.status, 201)
      assert.deepEqual(Object.keys(answer.body).sort(), ["api_key", "app_id", "id", "name"])
      assert.match(answer.body.api_key, /^vc_[0-9a-f]{64}$/)
      assert.match(answer.body.app_id, /^vc_app_[0-9a-f]{32}$/)
      const list = yield* call("GET", "/api/admin/tenants", { bearer: World.adminKey })
      assert.include(list.body.map(({ id }: { id: number }) => id), answer.body.id)
      assert.notInclude(list.text, answer.body.api_key)
      isProblem(yield* call("GET", "/api/admin/tenants", { bearer: answer.body.api_key }), 401, "invalid_api_key")
    }))

  it.effect("signs a user in for the tenant's backend", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const profile = {
        username: "Zoë",
        custom_id: "c-1",
        picture_url: "https://img.example/z.png",
        metadata: { level: 3, tags: ["a"], nothing: null }
      }
      const answer = yield* call("POST", "/api/auth/auto", { bearer: api_key, json: profile })
      assert.strictEqual(answer.status, 200, answer.text)
      assert.deepEqual(Object.keys(answer.body).sort(), ["expires_in", "refresh_token", "token", "user"])
      assert.match(answer.body.token, hex64)
      assert.match(answer.body.refresh_token, hex64)
      assert.strictEqual(answer.body.expires_in, 3600)
      assert.isTrue(Number.isSafeInteger(answer.body.user.id))
      assert.deepEqual(answer.body.user, { ...profile, id: answer.body.user.id })
      assert.strictEqual(answer.headers.get("cache-control"), "no-store")
      assert.isNotNull(answer.headers.get("x-request-id"))
    }))

  it.effect("takes the API key in X-API-Key too, and refuses two different keys", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const json = { username: "ada" }
      const answer = yield* call("POST", "/api/auth/auto", { headers: { "x-api-key": api_key }, json })
      assert.strictEqual(answer.status, 200)
      isProblem(
        yield* call("POST", "/api/auth/auto", {
          bearer: `vc_${"0".repeat(64)}`,
          headers: { "x-api-key": api_key },
          json
        }),
        400,
        "invalid_request"
      )
    }))

  it.effect("answers GET /api/me by header and by query, with every field", () =>
    Effect.gen(function* () {
      const { tenant, token, user } = yield* signedIn
      const expected = {
        id: user.id,
        username: "ada",
        tenant_id: tenant.id,
        custom_id: null,
        picture_url: null,
        metadata: null
      }
      const byHeader = yield* call("GET", "/api/me", { bearer: token })
      assert.deepEqual(byHeader.body, expected)
      const byQuery = yield* call("GET", `/api/me?token=${token}`)
      assert.deepEqual(byQuery.body, expected)
      assert.strictEqual(byQuery.headers.get("cache-control"), "private, no-store")
      assert.strictEqual(byQuery.headers.get("referrer-policy"), "no-referrer")
    }))

  it.effect("takes the same token in header and query, and refuses two different ones", () =>
    Effect.gen(function* () {
      const { token } = yield* signedIn
      const other = yield* signedIn
      assert.strictEqual((yield* call("GET", `/api/me?token=${token}`, { bearer: token })).status, 200)
      isProblem(yield* call("GET", `/api/me?token=${other.token}`, { bearer: token }), 400, "invalid_request")
      isProblem(yield* call("GET", `/api/me?token=${token}&token=${other.token}`), 400, "invalid_request")
    }))

  it.effect("takes a query token on GET only", () =>
    Effect.gen(function* () {
      const { token } = yield* signedIn
      isProblem(yield* call("POST", `/api/logout?token=${token}`), 401, "invalid_token")
      isProblem(yield* call("POST", `/api/channels?token=${token}`, { json: { name: "Lobby" } }), 401, "invalid_token")
      assert.strictEqual((yield* call("GET", "/api/me", { bearer: token })).status, 200)
    }))

  it.effect("says Bearer alone where no token was given, and invalid_token where a bad one was", () =>
    Effect.gen(function* () {
      const missing = yield* call("GET", "/api/me")
      isProblem(missing, 401, "invalid_token")
      assert.strictEqual(missing.headers.get("www-authenticate"), "Bearer")
      for (
        const authorization of ["Bearer", "Bearer ", "Basic YTpi", "bearer x", "Bearer " + "0".repeat(64), "\u00e9"]
      ) {
        const bad = yield* call("GET", "/api/me", { headers: { authorization } })
        isProblem(bad, 401, "invalid_token")
        assert.strictEqual(bad.headers.get("www-authenticate"), 'Bearer error="invalid_token"')
      }
    }))

  it.effect("blames no token for what is wrong in a body", () =>
    Effect.gen(function* () {
      const { tenant, token } = yield* signedIn
      const credentials = { app_id: tenant.app_id, username: "ada", password: "a wrong password" }
      const answers = [
        yield* call("POST", "/api/auth/token", { bearer: token, json: credentials }),
        yield* call("POST", "/api/token/refresh", { bearer: token, json: { refresh_token: "0".repeat(64) } })
      ]
      for (const answer of answers) {
        assert.strictEqual(answer.status, 401)
        assert.strictEqual(answer.headers.get("www-authenticate"), "Bearer")
      }
      const key = yield* call("GET", "/api/tenant", { headers: { "x-api-key": `vc_${"0".repeat(64)}` } })
      assert.strictEqual(key.headers.get("www-authenticate"), 'Bearer error="invalid_token"')
    }))

  it.effect("trades a refresh token for the next pair, the same one when asked again", () =>
    Effect.gen(function* () {
      const { refresh_token } = yield* signedIn
      const first = yield* call("POST", "/api/token/refresh", { json: { refresh_token } })
      assert.strictEqual(first.status, 200)
      assert.deepEqual(Object.keys(first.body).sort(), ["expires_in", "refresh_token", "token"])
      const again = yield* call("POST", "/api/token/refresh", { json: { refresh_token } })
      assert.deepEqual([again.body.token, again.body.refresh_token], [first.body.token, first.body.refresh_token])
      assert.strictEqual(first.headers.get("cache-control"), "no-store")
    }))

  it.effect("ends the session when a forged refresh token is presented under its id", () =>
    Effect.gen(function* () {
      const { refresh_token, token } = yield* signedIn
      const forged = refresh_token.slice(0, 32) + "f".repeat(32)
      isProblem(
        yield* call("POST", "/api/token/refresh", { json: { refresh_token: forged } }),
        401,
        "refresh_token_reused"
      )
      isProblem(yield* call("GET", "/api/me", { bearer: token }), 401, "invalid_token")
      isProblem(
        yield* call("POST", "/api/token/refresh", { json: { refresh_token: "0".repeat(64) } }),
        401,
        "invalid_refresh_token"
      )
    }))

  it.effect("hands out tickets for the socket, to who has a session token", () =>
    Effect.gen(function* () {
      const { token } = yield* signedIn
      const answer = yield* call("POST", "/api/ws-ticket", { bearer: token })
      assert.strictEqual(answer.status, 200, answer.text)
      assert.deepEqual(Object.keys(answer.body).sort(), ["expires_in", "ticket"])
      assert.match(answer.body.ticket, hex64)
      assert.strictEqual(answer.body.expires_in, 30)
      assert.strictEqual(answer.headers.get("cache-control"), "no-store")
      const again = yield* call("POST", "/api/ws-ticket", { bearer: token })
      assert.notStrictEqual(again.body.ticket, answer.body.ticket)
      isProblem(yield* call("POST", "/api/ws-ticket"), 401, "invalid_token")
      isProblem(yield* call("POST", `/api/ws-ticket?token=${token}`), 401, "invalid_token")
      isProblem(yield* call("GET", "/api/ws-ticket", { bearer: token }), 405, "method_not_allowed")
    }))

  it.effect("takes a ticket for no credential but of the socket, and keeps its URL to itself", () =>
    Effect.gen(function* () {
      const { token } = yield* signedIn
      const { body: { ticket } } = yield* call("POST", "/api/ws-ticket", { bearer: token })
      const elsewhere = [
        yield* call("GET", `/api/me?ticket=${ticket}`),
        yield* call("GET", `/api/me?token=${ticket}`),
        yield* call("GET", "/api/me", { bearer: ticket }),
        yield* call("GET", "/ws", { bearer: ticket }),
        yield* call("GET", `/ws?token=${ticket}`)
      ]
      for (const answer of elsewhere) isProblem(answer, 401, "invalid_token")
      isProblem(
        yield* call("POST", "/api/token/refresh", { json: { refresh_token: ticket } }),
        401,
        "invalid_refresh_token"
      )
      assert.strictEqual((yield* call("GET", `/api/me?ticket=${ticket}`, { bearer: token })).status, 200)
      const unknown = yield* call("GET", `/ws?ticket=${"0".repeat(64)}`)
      isProblem(unknown, 401, "invalid_token")
      assert.strictEqual(unknown.headers.get("www-authenticate"), 'Bearer error="invalid_token"')
      for (const answer of [unknown, elsewhere[0]!]) {
        assert.strictEqual(answer.headers.get("cache-control"), "private, no-store")
        assert.strictEqual(answer.headers.get("referrer-policy"), "no-referrer")
      }
    }))

  it.effect("logs out at once", () =>
    Effect.gen(function* () {
      const { refresh_token, token } = yield* signedIn
      const answer = yield* call("POST", "/api/logout", { bearer: token })
      assert.deepEqual([answer.status, answer.text], [204, ""])
      isProblem(yield* call("GET", "/api/me", { bearer: token }), 401, "invalid_token")
      isProblem(yield* call("POST", "/api/token/refresh", { json: { refresh_token } }), 401, "invalid_refresh_token")
    }))

  it.effect("makes and lists the tenant's channels, and nobody else's", () =>
    Effect.gen(function* () {
      const { token } = yield* signedIn
      const other = yield* signedIn
      const made = yield* call("POST", "/api/channels", { bearer: token, json: { name: "Lobby" } })
      assert.strictEqual(made.status, 201)
      assert.deepEqual(made.body, { id: made.body.id, name: "Lobby" })
      assert.deepEqual((yield* call("GET", "/api/channels", { bearer: token })).body, [made.body])
      assert.deepEqual((yield* call("GET", "/api/channels", { bearer: other.token })).body, [])
    }))

  it.effect("makes, lists, changes and deletes channels for the tenant's backend", () =>
    Effect.gen(function* () {
      const { tenant, token, user } = yield* signedIn
      const backend = (method: string, path = "", json?: unknown) =>
        call(method, `/api/tenant/channels${path}`, { bearer: tenant.api_key, json })
      const made = yield* backend("POST", "", { name: "Lobby", default_role: "listener" })
      assert.strictEqual(made.status, 201, made.text)
      assert.deepEqual(made.body, {
        id: made.body.id,
        name: "Lobby",
        default_role: "listener",
        who_may_speak: "everyone",
        created_by: null,
        created_at: made.body.created_at
      })
      assert.isBelow(Math.abs(Date.parse(made.body.created_at) - Date.now()), 60_000)
      const { body: own } = yield* call("POST", "/api/channels", { bearer: token, json: { name: "Own" } })
      const last = yield* backend("POST", "", { name: "Last", who_may_speak: "speakers" })
      assert.deepInclude(last.body, { default_role: "guest", who_may_speak: "speakers" })

      const first = yield* backend("GET", "?limit=2")
      assert.deepEqual(first.body.channels[0], made.body)
      assert.deepInclude(first.body.channels[1], {
        id: own.id,
        name: "Own",
        default_role: "guest",
        created_by: user.id
      })
      const second = yield* backend("GET", `?limit=2&cursor=${first.body.next_cursor}`)
      assert.deepEqual(second.body, { channels: [last.body], next_cursor: null })
      assert.strictEqual((yield* backend("GET")).body.channels.length, 3)
      for (const query of ["?cursor=x", "?cursor=-1", "?limit=0", "?limit=201"]) {
        isProblem(yield* backend("GET", query), 400, "invalid_request")
      }

      const path = `/${made.body.id}`
      const changed = yield* backend("PATCH", path, { name: "Hall" })
      assert.deepEqual(changed.body, { ...made.body, name: "Hall" })
      const again = yield* backend("PATCH", path, { default_role: "speaker", who_may_speak: "speakers" })
      assert.deepEqual(again.body, {
        ...changed.body,
        default_role: "speaker",
        who_may_speak: "speakers"
      })
      assert.deepEqual((yield* backend("PATCH", path, {})).body, again.body)
      for (
        const [json, ...paths] of [
          [{ name: "" }, "name"],
          [{ name: null }, "name"],
          [{ name: "x".repeat(129) }, "name"],
          [{ default_role: "host" }, "default_role"],
          [{ who_may_speak: "nobody", default_role: null }, "default_role", "who_may_speak"]
        ] as const
      ) {
        for (
          const refused of [yield* backend("PATCH", path, json), yield* backend("POST", "", { name: "A", ...json })]
        ) {
          isProblem(refused, 400, "invalid_request")
          assert.deepEqual(refused.body.errors.map(({ path }: { path: string }) => path).sort(), paths)
        }
      }
      isProblem(yield* backend("POST", "", {}), 400, "invalid_request")

      const gone = yield* backend("DELETE", path)
      assert.deepEqual([gone.status, gone.text], [204, ""])
      for (const id of [made.body.id, 2 ** 40]) {
        isProblem(yield* backend("DELETE", `/${id}`), 404, "not_found")
        isProblem(yield* backend("PATCH", `/${id}`, { name: "Hall" }), 404, "not_found")
        isProblem(yield* backend("GET", `/${id}/members`), 404, "not_found")
        isProblem(yield* backend("GET", `/${id}/users/${user.id}`), 404, "not_found")
        isProblem(yield* backend("PATCH", `/${id}/users/${user.id}`, { muted: true }), 404, "not_found")
      }
      for (const [method, rest] of [["DELETE", ""], ["GET", "/members"], ["GET", "/users/1"]] as const) {
        isProblem(yield* backend(method, `/x${rest}`), 400, "invalid_request")
      }
    }))

  it.effect("decides about a user in a channel, there or not, field by field", () =>
    Effect.gen(function* () {
      const { tenant, user } = yield* signedIn
      const backend = (method: string, path: string, json?: unknown) =>
        call(method, `/api/tenant/channels${path}`, { bearer: tenant.api_key, json })
      const { body: channel } = yield* backend("POST", "", { name: "Lobby" })
      const path = `/${channel.id}/users/${user.id}`
      assert.deepEqual((yield* backend("GET", `/${channel.id}/members`)).body, [])
      const untouched = { role: null, muted: false, removed: false }
      assert.deepEqual((yield* backend("GET", path)).body, untouched)
      assert.deepEqual((yield* backend("PATCH", path, {})).body, untouched)
      const steps = [
        [{ role: "host" }, { ...untouched, role: "host" }],
        [{ muted: true }, { role: "host", muted: true, removed: false }],
        [{ removed: true }, { role: "host", muted: true, removed: true }],
        [{ role: null, muted: false }, { ...untouched, removed: true }],
        [{ removed: false }, untouched]
      ] as const
      for (const [json, standing] of steps) {
        const answer = yield* backend("PATCH", path, json)
        assert.strictEqual(answer.status, 200, answer.text)
        assert.deepEqual(answer.body, standing)
        assert.deepEqual((yield* backend("GET", path)).body, standing)
      }
      for (
        const [json, where] of [
          [{ role: "admin" }, "role"],
          [{ muted: null }, "muted"],
          [{ muted: "true" }, "muted"],
          [{ removed: 1 }, "removed"]
        ] as const
      ) {
        const refused = yield* backend("PATCH", path, json)
        isProblem(refused, 400, "invalid_request")
        assert.deepEqual(refused.body.errors.map(({ path }: { path: string }) => path), [where])
      }
      isProblem(yield* backend("GET", `/${channel.id}/users/${2 ** 40}`), 404, "not_found")
      isProblem(yield* backend("PATCH", `/${channel.id}/users/${2 ** 40}`, { muted: true }), 404, "not_found")
      assert.deepEqual((yield* backend("GET", path)).body, untouched)
    }))

  it.effect("signs a user in by password, and gives every refusal the same face", () =>
    Effect.gen(function* () {
      const { api_key, app_id } = yield* fresh
      const password = "correct horse battery"
      const made = yield* call("POST", "/api/tenant/users", { bearer: api_key, json: { username: "ada", password } })
      assert.strictEqual(made.status, 201, made.text)
      assert.notInclude(made.text, "argon2")
      yield* Server.autoAuth(api_key, { username: "bob" })
      const login = (json: Record<string, unknown>) => call("POST", "/api/auth/token", { json })
      const right = yield* login({ app_id, username: "ada", password })
      assert.strictEqual(right.status, 200, right.text)
      assert.deepEqual(Object.keys(right.body).sort(), ["expires_in", "refresh_token", "token", "user"])
      const refusals = [
        yield* login({ app_id, username: "ada", password: "wrong horse battery" }),
        yield* login({ app_id, username: "bob", password }),
        yield* login({ app_id, username: "eve", password }),
        yield* login({ app_id: `vc_app_${"0".repeat(32)}`, username: "ada", password }),
        yield* login({ app_id: "no app id at all", username: "ada", password })
      ]
      for (const refusal of refusals) {
        isProblem(refusal, 401, "invalid_credentials")
        assert.strictEqual(refusal.text, refusals[0]!.text)
      }
    }))

  it.effect("refuses weak passwords with the rule they break", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      for (const password of ["short", "password123", "Password1", "adalovelace1"]) {
        const answer = yield* call("POST", "/api/tenant/users", {
          bearer: api_key,
          json: { username: "AdaLovelace1", password }
        })
        isProblem(answer, 400, "invalid_request")
        assert.deepEqual(answer.body.errors.map(({ path }: { path: string }) => path), ["password"])
        assert.notInclude(answer.text, password)
      }
    }))

  it.effect("sets a password, ends the user's sessions, and knows no user of another tenant", () =>
    Effect.gen(function* () {
      const { tenant, token, user } = yield* signedIn
      const other = yield* fresh
      const set = (key: string, id: number | string) =>
        call("PUT", `/api/tenant/users/${id}/password`, { bearer: key, json: { password: "correct horse battery" } })
      isProblem(yield* set(other.api_key, user.id), 404, "not_found")
      isProblem(yield* set(tenant.api_key, 2 ** 40), 404, "not_found")
      assert.strictEqual((yield* call("GET", "/api/me", { bearer: token })).status, 200)
      assert.strictEqual((yield* set(tenant.api_key, user.id)).status, 204)
      isProblem(yield* call("GET", "/api/me", { bearer: token }), 401, "invalid_token")
      const login = yield* call("POST", "/api/auth/token", {
        json: { app_id: tenant.app_id, username: "ada", password: "correct horse battery" }
      })
      assert.strictEqual(login.status, 200)
    }))

  it.effect("lists users page by page, and finds them by a part of a name", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      for (const username of ["ann", "ben", "cat", "dan", "Annabel"]) yield* Server.autoAuth(api_key, { username })
      const seen: Array<string> = []
      let cursor: string | null = null
      do {
        const page: Server.Answer = yield* call(
          "GET",
          `/api/tenant/users?limit=2${cursor ? `&cursor=${cursor}` : ""}`,
          {
            bearer: api_key
          }
        )
        assert.strictEqual(page.status, 200, page.text)
        seen.push(...page.body.users.map(({ username }: { username: string }) => username))
        cursor = page.body.next_cursor
      } while (cursor !== null)
      assert.deepEqual(seen, ["ann", "ben", "cat", "dan", "Annabel"])
      const found = yield* call("GET", "/api/tenant/users?search=ann", { bearer: api_key })
      assert.deepEqual(found.body.users.map(({ username }: { username: string }) => username), ["ann", "Annabel"])
    }))

  it.effect("refuses a username or custom_id that is taken in the tenant", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const make = (json: Record<string, unknown>) => call("POST", "/api/tenant/users", { bearer: api_key, json })
      yield* make({ username: "ada", custom_id: "c" })
      isProblem(yield* make({ username: "ada" }), 409, "username_taken")
      isProblem(yield* make({ username: "bob", custom_id: "c" }), 409, "custom_id_taken")
      isProblem(
        yield* call("POST", "/api/auth/auto", { bearer: api_key, json: { username: "ada", custom_id: "d" } }),
        409,
        "custom_id_immutable"
      )
    }))

  it.effect("answers health, ready, metrics, the OpenAPI document and the reference page", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* call("GET", "/health")).status, 200)
      assert.strictEqual((yield* call("GET", "/ready")).status, 200)
      yield* signedIn
      const metrics = yield* call("GET", "/metrics")
      assert.match(metrics.headers.get("content-type") ?? "", /^text\/plain/)
      assert.match(metrics.text, /roomkey_sessions_issued_total\{method="auto"\} \d+/)
      const openapi = yield* call("GET", "/openapi.json")
      assert.include(Object.keys(openapi.body.paths), "/api/auth/auto")
      assert.include(Object.keys(openapi.body.paths), "/ws")
      assert.match((yield* call("GET", "/docs")).text, /<html/i)
    }))

  it.effect("says nothing of its inside when something breaks there", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { token } = yield* signedIn
      yield* sql`alter table channels rename to elsewhere`
      const broken = yield* call("GET", "/api/channels", { bearer: token })
      yield* sql`alter table elsewhere rename to channels`
      isProblem(broken, 500, "internal_error")
      assert.deepEqual(Object.keys(broken.body).sort(), ["code", "status", "title", "type"])
      for (const inside of [/channels/, /relation/i, /select/i, /sql/i, /\bat \//, /\.ts/]) {
        assert.notMatch(broken.text, inside)
      }
    }))

  it.effect("tells a wrong path from a wrong method", () =>
    Effect.gen(function* () {
      isProblem(yield* call("GET", "/nope"), 404, "not_found")
      const wrong = yield* call("DELETE", "/api/me")
      isProblem(wrong, 405, "method_not_allowed")
      assert.strictEqual(wrong.headers.get("allow"), "GET, HEAD")
      isProblem(yield* call("GET", "/api/auth/auto"), 405, "method_not_allowed")
      isProblem(yield* call("POST", "/docs"), 405, "method_not_allowed")
    }))

  it.effect("echoes a sane X-Request-Id and replaces any other", () =>
    Effect.gen(function* () {
      const sane = yield* call("GET", "/health", { headers: { "x-request-id": "req-42" } })
      assert.strictEqual(sane.headers.get("x-request-id"), "req-42")
      const odd = yield* call("GET", "/health", { headers: { "x-request-id": 'a b"c' } })
      assert.notStrictEqual(odd.headers.get("x-request-id"), 'a b"c')
      assert.isNotNull(odd.headers.get("x-request-id"))
    }))

  it.effect("keeps Redacted out of every answer", () =>
    Effect.gen(function* () {
      const { refresh_token, token } = yield* signedIn
      assert.notInclude(token + refresh_token, "redacted")
      assert.strictEqual(String(Redacted.make(token)), "<redacted>")
    }))
})
