// Bodies that say more than they may: whose id it is, which tenant, what role. A field that the contract does not name is
// not read, wherever it is sent.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Room from "../support/Room.ts"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

/** Everything that an attacker would like to be believed, aimed at `victim` in the tenant `theirs`. */
const claims = (victim: Wire.SignedIn, theirs: Wire.Tenant) => ({
  id: victim.user.id,
  user_id: victim.user.id,
  userId: victim.user.id,
  sub: victim.user.id,
  user: victim.user,
  tenant_id: theirs.id,
  tenantId: theirs.id,
  tenant: theirs.id,
  session_id: Wire.sessionIdOf(victim.token),
  sessionId: Wire.sessionIdOf(victim.token),
  token: victim.token,
  role: "admin",
  roles: ["host"],
  is_admin: true,
  banned: true,
  banned_at: null,
  suspended: true,
  has_password: true,
  password_hash: "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$xxxx",
  created_at: "1970-01-01T00:00:00.000Z",
  created_by: victim.user.id,
  expires_in: 1e9,
  expires_at: "2999-01-01T00:00:00.000Z"
})

const world = Effect.gen(function* () {
  const theirs = yield* Wire.makeTenant
  const victim = yield* Wire.signIn(theirs, "victim")
  const mine = yield* Wire.makeTenant
  return { theirs, victim, mine, extra: claims(victim, theirs) }
})

/** Here the tenant's backend may bring a hash, and would be taken at its word. */
const withoutHash = (extra: ReturnType<typeof claims>) => ({ ...extra, password_hash: undefined })

const usersOf = (tenant: Wire.Tenant) =>
  Effect.map(call("GET", "/api/tenant/users?limit=200", { bearer: tenant.api_key }), ({ body }) => body.users)

layer(Server.layer(), Wire.options)("MassAssignment", (it) => {
  it.effect("signs in the user that the key and the username name, and nobody else", () =>
    Effect.gen(function* () {
      const { extra, mine, theirs, victim } = yield* world
      const before = yield* usersOf(theirs)
      const answer = yield* call("POST", "/api/auth/auto", {
        bearer: mine.api_key,
        json: { ...extra, username: "eve" }
      })
      assert.strictEqual(answer.status, 200, answer.text)
      assert.notStrictEqual(answer.body.user.id, victim.user.id)
      assert.strictEqual(answer.body.expires_in, 3600)
      assert.notStrictEqual(Wire.sessionIdOf(answer.body.token), Wire.sessionIdOf(victim.token))
      const { body } = yield* Wire.me(answer.body.token)
      assert.deepEqual(body, {
        id: answer.body.user.id,
        username: "eve",
        tenant_id: mine.id,
        custom_id: null,
        picture_url: null,
        metadata: null
      })
      assert.deepEqual(yield* usersOf(theirs), before)
    }))

  it.effect("makes users in the key's tenant, unbanned, without a password that nobody set", () =>
    Effect.gen(function* () {
      const { extra, mine, theirs, victim } = yield* world
      const before = yield* usersOf(theirs)
      const answer = yield* call("POST", "/api/tenant/users", {
        bearer: mine.api_key,
        json: { ...withoutHash(extra), username: "eve" }
      })
      assert.strictEqual(answer.status, 201, answer.text)
      assert.deepEqual([answer.body.banned, answer.body.has_password, answer.body.username], [false, false, "eve"])
      assert.notStrictEqual(answer.body.id, victim.user.id)
      assert.notStrictEqual(answer.body.created_at, extra.created_at)
      assert.deepEqual(yield* usersOf(theirs), before)
    }))

  it.effect("sets the password of the user in the path, of the key's tenant, whatever the body says", () =>
    Effect.gen(function* () {
      const { extra, mine, victim } = yield* world
      const eve = yield* Wire.signIn(mine, "eve")
      const answer = yield* call("PUT", `/api/tenant/users/${eve.user.id}/password`, {
        bearer: mine.api_key,
        json: { ...withoutHash(extra), password: Wire.password }
      })
      assert.strictEqual(answer.status, 204, answer.text)
      assert.strictEqual((yield* Wire.me(victim.token)).status, 200)
      Wire.isProblem(yield* Wire.me(eve.token), 401, "invalid_token")
      const [user] = yield* usersOf(mine)
      assert.deepEqual([user.banned, user.has_password], [false, true])
    }))

  it.effect("logs in whom the password proves, and nobody else", () =>
    Effect.gen(function* () {
      const { extra, mine, victim } = yield* world
      const eve = yield* Wire.createUser(mine, "eve")
      const answer = yield* call("POST", "/api/auth/token", {
        json: { ...extra, app_id: mine.app_id, username: "eve", password: Wire.password }
      })
      assert.strictEqual(answer.status, 200, answer.text)
      assert.strictEqual(answer.body.user.id, eve.id)
      assert.strictEqual(answer.body.expires_in, 3600)
      assert.notStrictEqual(answer.body.user.id, victim.user.id)
    }))

  it.effect("refreshes the session of the refresh token, and leaves the one that the body names", () =>
    Effect.gen(function* () {
      const { extra, mine, victim } = yield* world
      const eve = yield* Wire.signIn(mine, "eve")
      const answer = yield* call("POST", "/api/token/refresh", { json: { ...extra, refresh_token: eve.refresh_token } })
      assert.strictEqual(answer.status, 200, answer.text)
      assert.strictEqual(Wire.sessionIdOf(answer.body.token), Wire.sessionIdOf(eve.token))
      assert.strictEqual(answer.body.expires_in, 3600)
      yield* Wire.refreshed(victim.refresh_token)
    }))

  it.effect("makes channels in the tenant of the session", () =>
    Effect.gen(function* () {
      const { extra, mine, victim } = yield* world
      const eve = yield* Wire.signIn(mine, "eve")
      const answer = yield* call("POST", "/api/channels", { bearer: eve.token, json: { ...extra, name: "Lobby" } })
      assert.strictEqual(answer.status, 201, answer.text)
      assert.deepEqual((yield* call("GET", "/api/channels", { bearer: victim.token })).body, [])
      assert.deepEqual((yield* call("GET", "/api/channels", { bearer: eve.token })).body, [answer.body])
    }))

  it.effect("makes and changes channels of the key's tenant, of nobody's making, and decides about the user in the path", () =>
    Effect.gen(function* () {
      const { extra, mine, theirs, victim } = yield* world
      const eve = yield* Wire.signIn(mine, "eve")
      const backend = (method: string, path: string, json: unknown) =>
        call(method, `/api/tenant/channels${path}`, { bearer: mine.api_key, json })
      const { body: foreign } = yield* call("POST", "/api/channels", { bearer: victim.token, json: { name: "Theirs" } })
      const more = { ...extra, channel_id: foreign.id, muted_by: "tenant", removed_at: null, by: victim.user.id }
      const made = yield* backend("POST", "", { ...more, id: foreign.id, name: "Lobby" })
      assert.strictEqual(made.status, 201, made.text)
      assert.notStrictEqual(made.body.id, foreign.id)
      assert.notStrictEqual(made.body.created_at, extra.created_at)
      assert.isNull(made.body.created_by)
      const path = `/${made.body.id}`
      assert.deepEqual((yield* backend("PATCH", path, { ...more, name: "Hall" })).body, { ...made.body, name: "Hall" })
      const standing = yield* backend("PATCH", `${path}/users/${eve.user.id}`, { ...more, role: undefined })
      assert.deepEqual(standing.body, { role: null, muted: false, removed: false })
      const { body } = yield* call("GET", "/api/tenant/channels", { bearer: theirs.api_key })
      assert.deepEqual(body.channels.map(({ name }: { readonly name: string }) => name), ["Theirs"])
    }))

  it.effect("joins as who the session says, in the role that the channel gives, with nothing else of the frame", () =>
    Effect.gen(function* () {
      const { channelId, host, people: [eve] } = yield* Room.gathering("eve")
      const lies = {
        connection_id: host.connectionId,
        user_id: host.userId,
        username: "host",
        metadata: { admin: true },
        muted: false,
        speaking: true,
        may_speak: true,
        standing: "host",
        is_creator: true
      }
      const { payload } = yield* eve!.ask("join_channel", { ...lies, channel_id: channelId, role: "host" })
      const self = payload.users.find(({ connection_id }: { readonly connection_id: string }) =>
        connection_id === eve!.connectionId
      )
      assert.deepEqual(self, {
        connection_id: eve!.connectionId,
        user_id: eve!.userId,
        username: "eve",
        custom_id: null,
        picture_url: null,
        metadata: null,
        role: "speaker",
        muted: false,
        speaking: false
      })
      assert.deepEqual((yield* host.hear("user_joined")).payload, self)
    }))

  it.effect("makes tenants with an id, an app id and a key of its own choosing", () =>
    Effect.gen(function* () {
      const { theirs } = yield* world
      const answer = yield* call("POST", "/api/admin/tenants", {
        bearer: World.adminKey,
        json: { name: "Eve", id: theirs.id, app_id: theirs.app_id, api_key: theirs.api_key, suspended: true }
      })
      assert.strictEqual(answer.status, 201, answer.text)
      assert.notStrictEqual(answer.body.id, theirs.id)
      assert.notStrictEqual(answer.body.app_id, theirs.app_id)
      assert.notStrictEqual(answer.body.api_key, theirs.api_key)
      const list = yield* call("GET", "/api/admin/tenants", { bearer: World.adminKey })
      assert.isFalse(list.body.find(({ id }: Wire.Tenant) => id === answer.body.id).suspended)
    }))

  it.effect("logs out the session of the token, whatever body comes along", () =>
    Effect.gen(function* () {
      const { extra, mine, victim } = yield* world
      const eve = yield* Wire.signIn(mine, "eve")
      assert.strictEqual((yield* call("POST", "/api/logout", { bearer: eve.token, json: extra })).status, 204)
      assert.strictEqual((yield* Wire.me(victim.token)).status, 200)
      Wire.isProblem(yield* Wire.me(eve.token), 401, "invalid_token")
    }))

  it.effect("believes nothing that a frame or the handshake's query says about its sender", () =>
    Effect.gen(function* () {
      const { extra, mine, victim } = yield* world
      const eve = yield* Wire.signIn(mine, "eve")
      const query = `&user_id=${victim.user.id}&session_id=${extra.session_id}&role=host`
      const { connection, ready } = yield* Raw.openSocket(eve.token, query)
      assert.deepEqual([ready.user.id, ready.session_id], [eve.user.id, Wire.sessionIdOf(eve.token)])
      connection.send(Raw.encode(Raw.opcode.text, JSON.stringify({ ...extra, type: "ping", payload: extra, id: "1" })))
      assert.deepEqual(yield* connection.json, { type: "pong", payload: {}, id: "1" })
    }))
})
