// What a tenant and the operator run: settings, keys, users, sessions; over the wire.
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { lockUser, oneConnection, waiting } from "../support/Locks.ts"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"

const fresh = Effect.gen(function* () {
  const { body } = yield* call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Voice" } })
  return body as { id: number; name: string; app_id: string; api_key: string }
})

const signIn = (api_key: string, username = "ada") =>
  Effect.map(
    Server.autoAuth(api_key, { username }),
    ({ body }) => body as { token: string; refresh_token: string; user: { id: number } }
  )

const me = (token: string) =>
  Effect.map(call("GET", "/api/me", { bearer: token }), ({ body, status }) => ({ status, code: body.code }))

const isProblem = (answer: Server.Answer, status: number, code: string) => {
  assert.deepEqual([answer.status, answer.body?.code], [status, code], answer.text)
}

layer(Server.layer(), { excludeTestServices: true, timeout: "60 seconds" })("a tenant", (it) => {
  it.effect("is renamed, suspended and resumed by the operator, and its tokens with it", () =>
    Effect.gen(function* () {
      const tenant = yield* fresh
      const { token } = yield* signIn(tenant.api_key)
      const patch = (json: unknown) =>
        call("PATCH", `/api/admin/tenants/${tenant.id}`, { bearer: World.adminKey, json })
      const suspended = yield* patch({ name: "Other", suspended: true })
      assert.deepEqual([suspended.status, suspended.body.name, suspended.body.suspended], [200, "Other", true])
      assert.deepEqual(yield* me(token), { status: 403, code: "tenant_suspended" })
      isProblem(yield* Server.autoAuth(tenant.api_key, { username: "ada" }), 403, "tenant_suspended")
      isProblem(yield* call("GET", "/api/tenant", { bearer: tenant.api_key }), 403, "tenant_suspended")
      yield* patch({ suspended: false })
      assert.strictEqual((yield* me(token)).status, 200)
      isProblem(
        yield* call("PATCH", "/api/admin/tenants/999999", { bearer: World.adminKey, json: {} }),
        404,
        "not_found"
      )
    }))

  it.effect("is deleted with everything of its, and nothing of another's", () =>
    Effect.gen(function* () {
      const tenant = yield* fresh
      const other = yield* fresh
      const { token } = yield* signIn(tenant.api_key)
      const stays = yield* signIn(other.api_key)
      const remove = call("DELETE", `/api/admin/tenants/${tenant.id}`, { bearer: World.adminKey })
      assert.strictEqual((yield* remove).status, 204)
      isProblem(yield* remove, 404, "not_found")
      assert.deepEqual(yield* me(token), { status: 401, code: "invalid_token" })
      isProblem(yield* Server.autoAuth(tenant.api_key, { username: "ada" }), 401, "invalid_api_key")
      assert.strictEqual((yield* me(stays.token)).status, 200)
    }))

  it.effect("reads and changes its settings; what is absent stays", () =>
    Effect.gen(function* () {
      const { api_key, app_id, id } = yield* fresh
      const settings = {
        id,
        app_id,
        name: "Voice",
        registration_enabled: false,
        allowed_origins: [],
        password_min_length: null,
        query_tokens: true
      }
      assert.deepEqual((yield* call("GET", "/api/tenant", { bearer: api_key })).body, settings)
      const patch = (json: unknown) => call("PATCH", "/api/tenant", { bearer: api_key, json })
      const changed = {
        registration_enabled: true,
        allowed_origins: ["https://app.example"],
        password_min_length: 12,
        query_tokens: false
      }
      assert.deepEqual((yield* patch(changed)).body, { ...settings, ...changed })
      assert.deepEqual((yield* patch({ password_min_length: null })).body, {
        ...settings,
        ...changed,
        password_min_length: null
      })
      for (
        const bad of [
          { allowed_origins: ["https://app.example/x"] },
          { password_min_length: 7 },
          { name: "" },
          { query_tokens: null },
          { query_tokens: "false" }
        ]
      ) {
        isProblem(yield* patch(bad), 400, "invalid_request")
      }
    }))

  it.effect("lets users register where it says so, and nobody elsewhere", () =>
    Effect.gen(function* () {
      const { api_key, app_id } = yield* fresh
      const account = { app_id, username: "newcomer", password: "correct horse battery" }
      const register = (json: unknown) => call("POST", "/api/register", { json })
      isProblem(yield* register(account), 403, "registration_disabled")
      isProblem(yield* register({ ...account, app_id: `vc_app_${"0".repeat(32)}` }), 403, "registration_disabled")
      yield* call("PATCH", "/api/tenant", {
        bearer: api_key,
        json: { registration_enabled: true, password_min_length: 12 }
      })
      isProblem(yield* register({ ...account, password: "elevenchars" }), 400, "invalid_request")
      const made = yield* register(account)
      assert.strictEqual(made.status, 201, made.text)
      assert.deepEqual(Object.keys(made.body).sort(), ["expires_in", "refresh_token", "token", "user"])
      isProblem(yield* register(account), 409, "username_taken")
    }))

  it.effect("changes keys without a moment in which none works", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const issued = yield* call("POST", "/api/tenant/api-keys", {
        bearer: api_key,
        json: { label: "blue", expires_in: 60 }
      })
      assert.strictEqual(issued.status, 201, issued.text)
      const { api_key: next, ...info } = issued.body
      assert.match(next, /^vc_[0-9a-f]{64}$/)
      const list = yield* call("GET", "/api/tenant/api-keys", { bearer: next })
      assert.strictEqual(list.body.length, 2)
      assert.deepEqual({ ...list.body[1], last_used_at: null }, info)
      assert.notInclude(list.text, next.slice(-32))
      const old = list.body[0].id
      assert.strictEqual((yield* call("DELETE", `/api/tenant/api-keys/${old}`, { bearer: next })).status, 204)
      isProblem(yield* Server.autoAuth(api_key, { username: "ada" }), 401, "invalid_api_key")
      assert.strictEqual((yield* Server.autoAuth(next, { username: "ada" })).status, 200)
      isProblem(yield* call("DELETE", `/api/tenant/api-keys/${old}`, { bearer: next }), 404, "not_found")
    }))

  it.effect("changes keys while its backends go on signing users in, each with the key that it knows", () =>
    Effect.gen(function* () {
      const { api_key: old } = yield* fresh
      const known = Array.from({ length: 4 }, () => old)
      const used = known.map(() => new Map<string, number>())
      let done = false
      const backends = yield* Effect.forEach(known, (_, backend) =>
        Effect.gen(function* () {
          while (!done) {
            const key = known[backend]!
            const { status, text } = yield* Server.autoAuth(key, { username: `user ${backend}` })
            assert.strictEqual(status, 200, text)
            used[backend]!.set(key, (used[backend]!.get(key) ?? 0) + 1)
          }
        }), { concurrency: "unbounded" }).pipe(Effect.forkScoped)
      const eachHasUsed = (key: string, times: number) =>
        Effect.repeat(Effect.yieldNow, {
          until: () => backends.pollUnsafe() !== undefined || used.every((by) => (by.get(key) ?? 0) >= times)
        })
      yield* eachHasUsed(old, 2)
      const { body: { api_key: next } } = yield* call("POST", "/api/tenant/api-keys", { bearer: old, json: {} })
      known.fill(next)
      yield* eachHasUsed(next, 1)
      const { body: [{ id }] } = yield* call("GET", "/api/tenant/api-keys", { bearer: next })
      assert.strictEqual((yield* call("DELETE", `/api/tenant/api-keys/${id}`, { bearer: next })).status, 204)
      yield* eachHasUsed(next, 5)
      done = true
      yield* Fiber.join(backends)
      isProblem(yield* Server.autoAuth(old, { username: "ada" }), 401, "invalid_api_key")
    }).pipe(Effect.scoped))

  it.effect("does not revoke its last key that works, unless it insists", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const other = yield* fresh
      const { body: [{ id }] } = yield* call("GET", "/api/tenant/api-keys", { bearer: api_key })
      const revoke = (bearer: string, query = "") => call("DELETE", `/api/tenant/api-keys/${id}${query}`, { bearer })
      isProblem(yield* revoke(other.api_key), 404, "not_found")
      isProblem(yield* revoke(api_key), 409, "last_api_key")
      assert.strictEqual((yield* Server.autoAuth(api_key, { username: "ada" })).status, 200)
      assert.strictEqual((yield* revoke(api_key, "?force=true")).status, 204)
      isProblem(yield* Server.autoAuth(api_key, { username: "ada" }), 401, "invalid_api_key")
    }))

  it.effect("has up to a hundred keys that work, and may make another for each that it revokes", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const issue = call("POST", "/api/tenant/api-keys", { bearer: api_key, json: {} })
      const issued = yield* Effect.replicateEffect(issue, 99, { concurrency: 8 })
      assert.deepEqual([...new Set(issued.map(({ status }) => status))], [201])
      isProblem(yield* issue, 409, "too_many_api_keys")
      yield* call("DELETE", `/api/tenant/api-keys/${issued[0]!.body.id}`, { bearer: api_key })
      assert.strictEqual((yield* issue).status, 201)
    }))

  it.effect("leaves one key when two callers revoke each other's at once", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const { body: { api_key: second } } = yield* call("POST", "/api/tenant/api-keys", { bearer: api_key, json: {} })
      const { body: keys } = yield* call("GET", "/api/tenant/api-keys", { bearer: api_key })
      const answers = yield* Effect.all([
        call("DELETE", `/api/tenant/api-keys/${keys[1].id}`, { bearer: api_key }),
        call("DELETE", `/api/tenant/api-keys/${keys[0].id}`, { bearer: second })
      ], { concurrency: 2 })
      assert.isAtMost(answers.filter(({ status }) => status === 204).length, 1)
    }))

  it.effect("reads, changes, bans, unbans and erases its users", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const other = yield* fresh
      const { refresh_token, token, user } = yield* signIn(api_key)
      const path = `/api/tenant/users/${user.id}`
      for (const method of ["GET", "DELETE"]) {
        isProblem(yield* call(method, path, { bearer: other.api_key }), 404, "not_found")
      }
      isProblem(yield* call("PATCH", path, { bearer: other.api_key, json: { banned: true } }), 404, "not_found")
      const patch = (json: unknown) => call("PATCH", path, { bearer: api_key, json })
      const changed = yield* patch({ custom_id: "c", metadata: { a: 1 }, picture_url: "https://a.example/p" })
      assert.deepEqual([changed.body.custom_id, changed.body.metadata, changed.body.banned], ["c", { a: 1 }, false])
      assert.isNull((yield* patch({ metadata: null })).body.metadata)
      isProblem(yield* patch({ custom_id: "d" }), 409, "custom_id_immutable")
      assert.isTrue((yield* patch({ banned: true })).body.banned)
      assert.deepEqual(yield* me(token), { status: 403, code: "user_banned" })
      isProblem(yield* Server.autoAuth(api_key, { username: "ada" }), 403, "user_banned")
      isProblem(yield* call("POST", "/api/token/refresh", { json: { refresh_token } }), 403, "user_banned")
      yield* patch({ banned: false })
      assert.deepEqual(yield* me(token), { status: 401, code: "invalid_token" })
      isProblem(yield* call("POST", "/api/token/refresh", { json: { refresh_token } }), 401, "invalid_refresh_token")
      const again = yield* signIn(api_key)
      assert.strictEqual((yield* me(again.token)).status, 200)
      assert.strictEqual((yield* call("DELETE", path, { bearer: api_key })).status, 204)
      assert.deepEqual(yield* me(again.token), { status: 401, code: "invalid_token" })
      isProblem(yield* call("GET", path, { bearer: api_key }), 404, "not_found")
    }))

  it.effect("changes and bans a user in one step, or not at all", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const { token, user } = yield* signIn(api_key)
      yield* call("POST", "/api/auth/auto", { bearer: api_key, json: { username: "bob", custom_id: "taken" } })
      const patch = (json: unknown) => call("PATCH", `/api/tenant/users/${user.id}`, { bearer: api_key, json })
      isProblem(yield* patch({ banned: true, custom_id: "taken" }), 409, "custom_id_taken")
      assert.strictEqual((yield* me(token)).status, 200)
      const both = yield* patch({ banned: true, custom_id: "own", metadata: { a: 1 } })
      assert.deepEqual([both.body.banned, both.body.custom_id, both.body.metadata], [true, "own", { a: 1 }])
      assert.deepEqual(yield* me(token), { status: 403, code: "user_banned" })
    }))

  it.effect.skipIf(oneConnection)(
    "gives one custom id to a user who is asked to have two at once",
    () =>
      Effect.gen(function* () {
        const { api_key } = yield* fresh
        const { user } = yield* signIn(api_key)
        const release = yield* lockUser(user.id)
        const asking = yield* Effect.forEach(
          ["c0", "c1"],
          (custom_id) => call("PATCH", `/api/tenant/users/${user.id}`, { bearer: api_key, json: { custom_id } }),
          { concurrency: "unbounded" }
        ).pipe(Effect.forkScoped)
        yield* waiting(2)
        yield* release
        const answers = yield* Fiber.join(asking)
        const won = answers.filter(({ status }) => status === 200)
        assert.strictEqual(won.length, 1)
        for (const [n, { body, status }] of answers.entries()) {
          if (status === 200) assert.strictEqual(body.custom_id, `c${n}`)
          else assert.deepEqual([status, body.code], [409, "custom_id_immutable"])
        }
      }).pipe(Effect.scoped)
  )

  it.effect("sees where its users' sessions come from: the sign-in, and then the device that refreshes", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const from = (agent: string, path: string, json: unknown, bearer?: string) =>
        call("POST", path, { bearer, json, headers: { "user-agent": agent } })
      const { body } = yield* from(`backend ${"x".repeat(500)}`, "/api/auth/auto", { username: "ada" }, api_key)
      const sessions = Effect.map(call("GET", "/api/me/sessions", { bearer: body.token }), ({ body }) => body[0])
      const before = yield* sessions
      assert.strictEqual(before.address, "127.0.0.1")
      assert.strictEqual(before.user_agent, `backend ${"x".repeat(248)}`)
      const { refresh_token } = body
      assert.strictEqual((yield* from("a phone", "/api/token/refresh", { refresh_token })).status, 200)
      assert.strictEqual((yield* sessions).user_agent, "a phone")
    }))

  it.effect("sees and ends its users' sessions", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const other = yield* fresh
      const phone = yield* signIn(api_key)
      const laptop = yield* signIn(api_key)
      const path = `/api/tenant/users/${phone.user.id}/sessions`
      const list = yield* call("GET", path, { bearer: api_key })
      assert.strictEqual(list.body.length, 2, list.text)
      isProblem(yield* call("GET", path, { bearer: other.api_key }), 404, "not_found")
      const [newest] = list.body
      isProblem(yield* call("DELETE", `/api/tenant/sessions/${newest.id}`, { bearer: other.api_key }), 404, "not_found")
      assert.strictEqual((yield* call("DELETE", `/api/tenant/sessions/${newest.id}`, { bearer: api_key })).status, 204)
      assert.deepEqual(yield* me(laptop.token), { status: 401, code: "invalid_token" })
      assert.strictEqual((yield* me(phone.token)).status, 200)
      assert.strictEqual((yield* call("DELETE", path, { bearer: api_key })).status, 204)
      assert.deepEqual(yield* me(phone.token), { status: 401, code: "invalid_token" })
    }))

  it.effect("shows a user its devices, and lets it end one or all the others", () =>
    Effect.gen(function* () {
      const { api_key } = yield* fresh
      const phone = yield* signIn(api_key)
      const laptop = yield* signIn(api_key)
      const tablet = yield* signIn(api_key)
      const stranger = yield* signIn(api_key, "bob")
      const list = yield* call("GET", "/api/me/sessions", { bearer: phone.token })
      assert.strictEqual(list.body.length, 3)
      const current = list.body.filter((session: { current: boolean }) => session.current)
      assert.strictEqual(current.length, 1)
      assert.strictEqual(current[0].id.replaceAll("-", ""), phone.token.slice(0, 32))
      const idOf = (token: string) =>
        list.body.find((session: { id: string }) => session.id.replaceAll("-", "") === token.slice(0, 32)).id
      const end = (bearer: string, id: string) => call("DELETE", `/api/me/sessions/${id}`, { bearer })
      isProblem(yield* end(stranger.token, idOf(laptop.token)), 404, "not_found")
      assert.strictEqual((yield* end(phone.token, idOf(laptop.token))).status, 204)
      assert.strictEqual((yield* me(laptop.token)).status, 401)
      assert.strictEqual((yield* call("DELETE", "/api/me/sessions", { bearer: phone.token })).status, 204)
      assert.strictEqual((yield* me(tablet.token)).status, 401)
      assert.strictEqual((yield* me(phone.token)).status, 200)
    }))

  it.effect("lets a user change its password here and signs it out everywhere else", () =>
    Effect.gen(function* () {
      const { api_key, app_id } = yield* fresh
      const [first, second] = ["correct horse battery", "a different staple"]
      yield* call("POST", "/api/tenant/users", { bearer: api_key, json: { username: "ada", password: first } })
      const login = (password: string) =>
        call("POST", "/api/auth/token", { json: { app_id, username: "ada", password } })
      const { body: here } = yield* login(first)
      const { body: elsewhere } = yield* login(first)
      const change = (current_password: string, new_password: string) =>
        call("POST", "/api/me/password", { bearer: here.token, json: { current_password, new_password } })
      isProblem(yield* change("wrong horse battery", second), 401, "invalid_credentials")
      const weak = yield* change(first, "password")
      isProblem(weak, 400, "invalid_request")
      assert.deepEqual(weak.body.errors[0].path, "new_password")
      assert.strictEqual((yield* change(first, second)).status, 204)
      assert.strictEqual((yield* me(here.token)).status, 200)
      assert.strictEqual((yield* me(elsewhere.token)).status, 401)
      isProblem(yield* login(first), 401, "invalid_credentials")
      assert.strictEqual((yield* login(second)).status, 200)
    }))

  it.effect("asks whether a token is good, by RFC 7662", () =>
    Effect.gen(function* () {
      const { api_key, id } = yield* fresh
      const other = yield* fresh
      const { token, user } = yield* signIn(api_key)
      const introspect = (bearer: string, token: string) =>
        Effect.map(call("POST", "/api/tenant/introspect", { bearer, json: { token } }), ({ body }) => body)
      const active = yield* introspect(api_key, token)
      assert.deepInclude(active, {
        active: true,
        sub: String(user.id),
        username: "ada",
        tenant_id: id,
        token_type: "Bearer"
      })
      assert.closeTo(active.exp - active.iat, 3600, 1)
      assert.deepEqual(yield* introspect(other.api_key, token), { active: false })
      assert.deepEqual(yield* introspect(api_key, "nonsense"), { active: false })
      const { body: { refresh_token } } = yield* Server.autoAuth(api_key, { username: "bob" })
      const first = yield* call("POST", "/api/token/refresh", { json: { refresh_token } })
      yield* call("POST", "/api/token/refresh", { json: { refresh_token: first.body.refresh_token } })
      const superseded = yield* introspect(api_key, first.body.token)
      assert.isAtMost(superseded.exp - Math.floor(Date.now() / 1000), 31)
      yield* call("POST", "/api/logout", { bearer: token })
      assert.deepEqual(yield* introspect(api_key, token), { active: false })
    }))
})

layer(Server.layer({ PASSWORD_MIN_LENGTH: "12" }), { excludeTestServices: true, timeout: "60 seconds" })(
  "a tenant under a stricter operator",
  (it) => {
    it.effect("may ask for longer passwords, and not for shorter ones", () =>
      Effect.gen(function* () {
        const { api_key } = yield* fresh
        yield* call("PATCH", "/api/tenant", { bearer: api_key, json: { password_min_length: 8 } })
        const create = (password: string) =>
          call("POST", "/api/tenant/users", { bearer: api_key, json: { username: "ada", password } })
        isProblem(yield* create("elevenchars"), 400, "invalid_request")
        assert.strictEqual((yield* create("twelve chars")).status, 201)
      }))
  }
)
