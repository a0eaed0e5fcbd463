// What a tenant can look up afterwards: who did what, when, from where; and how much of it there was. Over the wire.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Raw from "../abuse/Raw.ts"
import * as Wire from "../abuse/Wire.ts"
import * as Room from "../support/Room.ts"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"

type Event = Record<string, unknown> & { readonly id: number }

const events = Effect.fn("events")(function* (tenant: Wire.Tenant, query = "") {
  const answer = yield* call("GET", `/api/tenant/events${query}`, { bearer: tenant.api_key })
  assert.strictEqual(answer.status, 200, answer.text)
  return answer.body as { readonly events: ReadonlyArray<Event>; readonly next_cursor: string | null }
})

/** The newest event of the tenant, once `act` was done, without what is the same in all of them. */
const after = Effect.fn("after")(function* <A extends Server.Answer | object, E, R>(
  tenant: Wire.Tenant,
  act: Effect.Effect<A, E, R>
) {
  yield* act
  const [newest] = (yield* events(tenant, "?limit=1")).events
  const { address, at, id: _, user_agent, ...rest } = newest!
  assert.strictEqual(address, "127.0.0.1")
  assert.match(String(user_agent), /node|deno|undici/i)
  assert.isBelow(Math.abs(Date.parse(String(at)) - Date.now()), 60_000)
  return rest
})

const usage = (tenant: Wire.Tenant) =>
  Effect.map(call("GET", "/api/tenant/usage", { bearer: tenant.api_key }), ({ body }) => body)

layer(Server.layer(), Wire.options)("audit", (it) => {
  it.effect("tells of each act who did it, to whom, from where and in which session", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const byKey = { actor: "tenant", api_key_id: Wire.sessionIdOf(tenant.api_key.slice(3)) }
      const byUser = { actor: "user", api_key_id: null }
      const byAnyone = { actor: "anyone", api_key_id: null }
      const byOperator = { actor: "operator", api_key_id: null }
      const nobody = { user_id: null, session_id: null }
      const backend = (method: string, path: string, json?: unknown) =>
        call(method, path, { bearer: tenant.api_key, json })
      const operator = (json: unknown) =>
        call("PATCH", `/api/admin/tenants/${tenant.id}`, { bearer: World.adminKey, json })

      const created = yield* Wire.createUser(tenant)
      const user = { user_id: created.id, session_id: null }
      assert.deepEqual((yield* events(tenant)).events.map(({ type }) => type), ["user_created", "tenant_created"])

      const { token } = yield* Wire.signIn(tenant)
      const session = { user_id: created.id, session_id: Wire.sessionIdOf(token) }
      assert.deepEqual(yield* after(tenant, Effect.succeed({})), {
        type: "signed_in",
        ...byKey,
        ...session,
        detail: { method: "auto" }
      })
      assert.deepEqual(yield* after(tenant, Wire.login(tenant.app_id, "ada", "a wrong password")), {
        type: "sign_in_failed",
        ...byAnyone,
        ...user,
        detail: { reason: "wrong_password" }
      })
      assert.deepEqual(yield* after(tenant, call("POST", "/api/logout", { bearer: token })), {
        type: "session_ended",
        ...byUser,
        ...session,
        detail: { reason: "logout" }
      })

      const { body: login } = yield* Wire.login(tenant.app_id, "ada", Wire.password)
      const own = { user_id: created.id, session_id: Wire.sessionIdOf(login.token) }
      assert.deepEqual(yield* after(tenant, Effect.succeed({})), {
        type: "signed_in",
        ...byUser,
        ...own,
        detail: { method: "password" }
      })
      const change = (current_password: string, new_password: string) =>
        call("POST", "/api/me/password", { bearer: login.token, json: { current_password, new_password } })
      assert.deepEqual(yield* after(tenant, change("a wrong password", "a different staple")), {
        type: "sign_in_failed",
        ...byUser,
        ...own,
        detail: { reason: "wrong_current_password" }
      })
      assert.deepEqual(yield* after(tenant, change(Wire.password, "a different staple")), {
        type: "password_changed",
        ...byUser,
        ...own,
        detail: null
      })
      const next = yield* Wire.refreshed(login.refresh_token)
      yield* Wire.refreshed(next.refresh_token)
      assert.deepEqual(yield* after(tenant, Wire.refresh(login.refresh_token)), {
        type: "refresh_token_reused",
        ...byAnyone,
        ...own,
        detail: null
      })

      const path = `/api/tenant/users/${created.id}`
      const ended = yield* Wire.signIn(tenant)
      const endedSession = { user_id: created.id, session_id: Wire.sessionIdOf(ended.token) }
      assert.deepEqual(yield* after(tenant, backend("DELETE", `${path}/sessions`)), {
        type: "session_ended",
        ...byKey,
        ...endedSession,
        detail: { reason: "revoked" }
      })
      for (
        const [json, type] of [
          [{ metadata: { a: 1 } }, "user_changed"],
          [{ banned: true }, "user_banned"],
          [{ banned: false }, "user_unbanned"]
        ] as const
      ) {
        assert.deepEqual(yield* after(tenant, backend("PATCH", path, json)), { type, ...byKey, ...user, detail: null })
      }
      assert.deepEqual(yield* after(tenant, Wire.setPassword(tenant, created.id, "another long one")), {
        type: "password_set",
        ...byKey,
        ...user,
        detail: null
      })
      assert.deepEqual(yield* after(tenant, backend("DELETE", path)), {
        type: "user_erased",
        ...byKey,
        ...user,
        detail: null
      })

      const { body: key } = yield* backend("POST", "/api/tenant/api-keys", {})
      const detail = { api_key_id: key.id }
      assert.deepEqual(yield* after(tenant, Effect.succeed({})), {
        type: "api_key_issued",
        ...byKey,
        ...nobody,
        detail
      })
      assert.deepEqual(yield* after(tenant, backend("DELETE", `/api/tenant/api-keys/${key.id}`)), {
        type: "api_key_revoked",
        ...byKey,
        ...nobody,
        detail
      })
      assert.deepEqual(yield* after(tenant, backend("PATCH", "/api/tenant", { registration_enabled: true })), {
        type: "tenant_changed",
        ...byKey,
        ...nobody,
        detail: { changed: "registrationEnabled" }
      })
      yield* operator({ suspended: true })
      assert.deepEqual(yield* after(tenant, operator({ suspended: false })), {
        type: "tenant_resumed",
        ...byOperator,
        ...nobody,
        detail: null
      })
      assert.strictEqual((yield* events(tenant, "?limit=2")).events[1]!.type, "tenant_suspended")
    }))

  it.effect("tells who changed a channel, deleted it, or decided about a user in it", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const { token, user } = yield* Wire.signIn(tenant)
      const byKey = { actor: "tenant", api_key_id: Wire.sessionIdOf(tenant.api_key.slice(3)), session_id: null }
      const channel = Effect.map(
        call("POST", "/api/channels", { bearer: token, json: { name: "Lobby" } }),
        ({ body }) => body.id as number
      )
      const id = yield* channel
      const channel_id = String(id)
      const backend = (method: string, path: string, json?: unknown) =>
        call(method, `/api/tenant/channels/${id}${path}`, { bearer: tenant.api_key, json })
      assert.deepEqual(yield* after(tenant, backend("PATCH", "", { who_may_speak: "speakers" })), {
        type: "channel_changed",
        ...byKey,
        user_id: null,
        detail: { channel_id }
      })
      for (
        const [json, told] of [
          [{ role: "host" }, { role: "host" }],
          [{ role: null, muted: true }, { role: "none", muted: "true" }],
          [{ muted: false, removed: true }, { muted: "false", removed: "true" }]
        ] as const
      ) {
        assert.deepEqual(yield* after(tenant, backend("PATCH", `/users/${user.id}`, json)), {
          type: "channel_standing_changed",
          ...byKey,
          user_id: user.id,
          detail: { channel_id, ...told }
        })
      }
      assert.deepEqual(yield* after(tenant, backend("DELETE", "")), {
        type: "channel_deleted",
        ...byKey,
        user_id: null,
        detail: { channel_id }
      })
      const own = yield* channel
      const deleted = yield* after(tenant, call("DELETE", `/api/channels/${own}`, { bearer: token }))
      assert.deepInclude(deleted, { type: "channel_deleted", actor: "user", api_key_id: null, user_id: user.id })
      assert.deepEqual(deleted.detail, { channel_id: String(own) })
      // What is refused is no event.
      const { id: last } = (yield* events(tenant)).events[0]!
      yield* backend("PATCH", "", { name: "Gone" })
      yield* backend("PATCH", `/users/${user.id}`, { muted: true })
      yield* call("DELETE", `/api/channels/${own}`, { bearer: token })
      assert.strictEqual((yield* events(tenant)).events[0]!.id, last)
    }))

  it.effect("tells which host decided about whom", () =>
    Effect.gen(function* () {
      const { channelId, enter, host, people: [ann], tenant } = yield* Room.gathering("ann")
      yield* enter(ann!)
      yield* host.ask("mute", { muted: true, connection_id: ann!.connectionId })
      const { events: [newest] } = yield* events(
        { ...tenant, api_key: tenant.apiKey, app_id: tenant.appId },
        "?limit=1"
      )
      const { actor, detail, session_id, type, user_id } = newest!
      assert.deepEqual({ actor, detail, session_id, type, user_id }, {
        type: "channel_standing_changed",
        actor: "user",
        session_id: host.sessionId,
        user_id: ann!.userId,
        detail: { channel_id: String(channelId), muted: "true", by: String(host.userId) }
      })
    }))

  it.effect("comes newest first, page by page, to its tenant only", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const other = yield* Wire.makeTenant
      for (let n = 0; n < 7; n++) yield* Wire.signIn(n % 2 === 0 ? tenant : other)
      const ids: Array<number> = []
      let cursor: string | null = ""
      while (cursor !== null) {
        const page: { events: ReadonlyArray<Event>; next_cursor: string | null } = yield* events(
          tenant,
          `?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`
        )
        ids.push(...page.events.map(({ id }) => id))
        cursor = page.next_cursor
      }
      assert.strictEqual(ids.length, 5, "four sign-ins, and the tenant")
      assert.deepEqual(ids, [...new Set(ids)].sort((a, b) => b - a))
      for (const query of ["?cursor=-1", "?cursor=x", "?limit=0", "?limit=201"]) {
        Wire.isProblem(
          yield* call("GET", `/api/tenant/events${query}`, { bearer: tenant.api_key }),
          400,
          "invalid_request"
        )
      }
    }))

  it.effect("keeps no address and no user agent of a user who was erased", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const tenant = yield* Wire.makeTenant
      const { user } = yield* Wire.signIn(tenant)
      yield* events(tenant)
      // Not written yet when the user goes.
      yield* Wire.signIn(tenant)
      yield* call("DELETE", `/api/tenant/users/${user.id}`, { bearer: tenant.api_key })
      yield* events(tenant)
      const rows = yield* sql<{ type: string; known: boolean }>`
        select type, address is not null or user_agent is not null as known from events
        where user_id = ${user.id} order by id`
      assert.deepEqual(rows.map(({ known, type }) => [type, known]), [["signed_in", false], ["signed_in", false], [
        "user_erased",
        true
      ]])
    }))

  it.effect("counts users, live sessions, sign-ins and sockets, by day and by month", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const tenant = yield* Wire.makeTenant
      const ada = yield* Wire.signIn(tenant)
      yield* Wire.signIn(tenant)
      yield* Wire.signIn(tenant, "bob")
      yield* Raw.openSocket(ada.token)
      yield* call("POST", "/api/logout", { bearer: ada.token })
      const before = yield* usage(tenant)
      const [{ day }] = before.days
      assert.deepEqual(before, {
        users: 2,
        live_sessions: 2,
        days: [{ day, sign_ins: 3, sockets: 1 }],
        months: [{ month: day.slice(0, 7), sign_ins: 3, sockets: 1 }]
      })
      yield* Wire.signIn(tenant)
      assert.deepEqual((yield* usage(tenant)).days, [{ day, sign_ins: 4, sockets: 1 }])
      yield* sql`insert into usage_days (tenant_id, day, sign_ins, sockets) values (${tenant.id}, '2020-02-29', 5, 6)`
      const { days, months } = yield* usage(tenant)
      assert.deepEqual(days[1], { day: "2020-02-29", sign_ins: 5, sockets: 6 })
      assert.deepEqual(months[1], { month: "2020-02", sign_ins: 5, sockets: 6 })
    }))
})
