// Credentials that were good: a key revoked or expired, a suspended tenant, a banned user, an expired session. No
// endpoint remembers them, and each says why as long as that tells nothing to a stranger.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { SessionId } from "../../src/domain/Ids.ts"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import { byHand } from "../support/ByHand.ts"
import { age } from "../support/Time.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

const world = Effect.gen(function* () {
  const tenant = yield* Wire.makeTenant
  const { id } = yield* Wire.createUser(tenant)
  const session = yield* Wire.signIn(tenant)
  // Used once, so that whatever may be remembered of it is.
  assert.strictEqual((yield* Wire.me(session.token)).status, 200)
  return { tenant, userId: id, session }
})

type World = Effect.Success<typeof world>

const byKey = ({ tenant, userId }: World) =>
  [
    ["POST", "/api/auth/auto", tenant.api_key, { username: "ada" }],
    ["POST", "/api/auth/auto", tenant.api_key, { username: "somebody new" }],
    ["GET", "/api/tenant/users", tenant.api_key, undefined],
    ["POST", "/api/tenant/users", tenant.api_key, { username: "somebody new" }],
    ["PUT", `/api/tenant/users/${userId}/password`, tenant.api_key, { password: "another horse battery" }]
  ] as const

const bySession = ({ session }: World) =>
  [
    ["GET", "/api/me", session.token, undefined],
    ["GET", `/api/me?token=${session.token}`, undefined, undefined],
    ["GET", "/api/channels", session.token, undefined],
    ["POST", "/api/channels", session.token, { name: "Lobby" }],
    ["GET", "/api/ice-servers", session.token, undefined],
    ["POST", "/api/ws-ticket", session.token, undefined],
    ["POST", "/api/logout", session.token, undefined],
    ["GET", "/ws", session.token, undefined],
    ["GET", `/ws?token=${session.token}`, undefined, undefined]
  ] as const

const byNothing = ({ session, tenant }: World) =>
  [
    ["POST", "/api/auth/token", undefined, { app_id: tenant.app_id, username: "ada", password: Wire.password }],
    ["POST", "/api/token/refresh", undefined, { refresh_token: session.refresh_token }]
  ] as const

type Calls = ReadonlyArray<readonly [method: string, path: string, bearer: string | undefined, json: unknown]>

const refusesAll = Effect.fn("refusesAll")(function* (calls: Calls, status: number, code: string) {
  for (const [method, path, bearer, json] of calls) {
    Wire.isProblem(yield* call(method, path, { bearer, json }), status, code, `${method} ${path}`)
  }
})

const acceptsAll = Effect.fn("acceptsAll")(function* (calls: Calls) {
  for (const [method, path, bearer, json] of calls) {
    const { status, text } = yield* call(method, path, { bearer, json })
    assert.include([200, 201, 204], status, `${method} ${path} ${text}`)
  }
})

const handshakeRefused = Effect.fn("handshakeRefused")(function* ({ session }: World, status: number, code: string) {
  const handshakes = [
    Raw.handshake(`/ws?token=${session.token}`),
    Raw.handshake("/ws", [`Authorization: Bearer ${session.token}`]),
    Raw.handshake("/ws", [`Sec-WebSocket-Protocol: roomkey.v1, roomkey.bearer.${session.token}`])
  ]
  for (const handshake of handshakes) {
    const answer = yield* Raw.exchange(handshake)
    assert.deepEqual([answer?.status, JSON.parse(answer!.text).code], [status, code])
  }
})

const usersOf = (tenantId: number) =>
  Effect.flatMap(PgClient, (sql) => sql`select username from users where tenant_id = ${tenantId}`)

layer(Server.layer(), Wire.options)("RevokedKey", (it) => {
  for (
    const [name, column, when] of [
      ["a revoked key", "revoked_at", "now()"],
      ["an expired key", "expires_at", "now() - interval '1 second'"]
    ] as const
  ) {
    it.effect(`refuses ${name} at every endpoint that takes one, and lets the users it signed in stay`, () =>
      Effect.gen(function* () {
        const sql = yield* PgClient
        const target = yield* world
        yield* sql.unsafe(`update api_keys set ${column} = ${when} where tenant_id = $1`, [target.tenant.id])
        yield* refusesAll(byKey(target), 401, "invalid_api_key")
        assert.strictEqual((yield* usersOf(target.tenant.id)).length, 1)
        yield* acceptsAll(bySession(target).slice(0, 3))
        yield* Raw.openSocket(target.session.token)
      }))
  }

  it.effect("answers a revoked key as it answers a key that never was", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { tenant } = yield* world
      yield* byHand(sql`update api_keys set revoked_at = now() where tenant_id = ${tenant.id}`)
      const revoked = yield* call("GET", "/api/tenant/users", { bearer: tenant.api_key })
      const unknown = yield* call("GET", "/api/tenant/users", { bearer: `vc_${"0".repeat(64)}` })
      assert.deepEqual(Wire.shown(revoked), Wire.shown(unknown))
    }))

  it.effect("refuses everything of a suspended tenant, closes its sockets, and takes all of it back when resumed", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const target = yield* world
      yield* byHand(sql`update tenants set suspended_at = now() where id = ${target.tenant.id}`)
      yield* refusesAll([...byKey(target), ...bySession(target), ...byNothing(target)], 403, "tenant_suspended")
      yield* handshakeRefused(target, 403, "tenant_suspended")
      assert.strictEqual((yield* usersOf(target.tenant.id)).length, 1)
      yield* byHand(sql`update tenants set suspended_at = null where id = ${target.tenant.id}`)
      yield* Raw.openSocket(target.session.token)
      yield* acceptsAll([...bySession(target).slice(0, 3), ...byNothing(target)])
    }))

  it.effect("refuses everything of a banned user, and nothing of its tenant", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const target = yield* world
      yield* byHand(sql`update users set banned_at = now() where id = ${target.userId}`)
      yield* refusesAll([byKey(target)[0], ...bySession(target), ...byNothing(target)], 403, "user_banned")
      yield* handshakeRefused(target, 403, "user_banned")
      yield* acceptsAll(byKey(target).slice(2, 4))
      const other = yield* Wire.signIn(target.tenant, "bob")
      assert.strictEqual((yield* Wire.me(other.token)).status, 200)
    }))

  it.effect("tells a stranger with a made-up token nothing of a ban or a suspension", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const target = yield* world
      yield* byHand(sql`update users set banned_at = now() where id = ${target.userId}`)
      yield* byHand(sql`update tenants set suspended_at = now() where id = ${target.tenant.id}`)
      const forged = target.session.token.slice(0, 32) + "0".repeat(32)
      Wire.isProblem(yield* Wire.me(forged), 401, "invalid_token")
      const key = target.tenant.api_key.slice(0, 35) + "0".repeat(32)
      Wire.isProblem(yield* call("GET", "/api/tenant/users", { bearer: key }), 401, "invalid_api_key")
      Wire.isProblem(yield* Server.autoAuth(key, { username: "ada" }), 401, "invalid_api_key")
    }))

  it.effect("refuses a session token that has expired, and its session when that has too", () =>
    Effect.gen(function* () {
      const target = yield* world
      const id = Wire.sessionIdOf(target.session.token) as SessionId
      yield* age(id, 3601)
      yield* refusesAll(bySession(target), 401, "token_expired")
      yield* handshakeRefused(target, 401, "token_expired")
      yield* age(id, 31 * 86_400)
      Wire.isProblem(yield* Wire.refresh(target.session.refresh_token), 401, "invalid_refresh_token")
      yield* refusesAll(bySession(target), 401, "token_expired")
    }))

  it.effect("refuses the tokens of a user that was erased, and of a tenant that was", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const target = yield* world
      yield* byHand(sql`delete from users where id = ${target.userId}`)
      yield* refusesAll(bySession(target), 401, "invalid_token")
      yield* handshakeRefused(target, 401, "invalid_token")
      Wire.isProblem(yield* Wire.refresh(target.session.refresh_token), 401, "invalid_refresh_token")
      yield* byHand(sql`delete from tenants where id = ${target.tenant.id}`)
      yield* refusesAll(byKey(target), 401, "invalid_api_key")
      Wire.isProblem(yield* Wire.login(target.tenant.app_id, "ada", Wire.password), 401, "invalid_credentials")
    }))

  for (
    const [name, table, column, code] of [
      ["the ban of its user", "users", "banned_at", { code: 4403, reason: "user_banned" }],
      ["the suspension of its tenant", "tenants", "suspended_at", { code: 4403, reason: "tenant_suspended" }]
    ] as const
  ) {
    it.effect(`opens no socket that would outlive ${name}: one that raced it is closed`, () =>
      Effect.gen(function* () {
        const sql = yield* PgClient
        const target = yield* world
        const connection = yield* Raw.connect
        connection.send(Raw.handshake(`/ws?token=${target.session.token}`))
        yield* sql.unsafe(`update ${table} set ${column} = now() where id = $1`, [
          table === "users" ? target.userId : target.tenant.id
        ])
        const answer = yield* connection.answer
        if (answer?.status === 101) assert.deepEqual(yield* connection.closed, code)
        else assert.strictEqual(answer?.status, 403)
      }))
  }
})
