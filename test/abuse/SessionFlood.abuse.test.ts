// A backend that signs its user in at every page view, or a thief of an API key who wants the table full. A user has so
// many sessions and no more; the oldest make room, their sockets close, and no other user notices (mozilla/fxa #9550).
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Server from "../support/Server.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

const limit = 100

const openSessions = (userId: number) =>
  Effect.flatMap(PgClient, (sql) =>
    Effect.map(
      sql<
        { count: number }
      >`select count(*)::int as count from sessions where user_id = ${userId} and ended_at is null`,
      ([row]) => row!.count
    ))

const flood = (tenant: Wire.Tenant, count: number) =>
  Effect.replicateEffect(Wire.signIn(tenant), count, { concurrency: 10 })

const living = (sessions: ReadonlyArray<Wire.Pair>) =>
  Effect.filter(sessions, ({ token }) => Effect.map(Wire.me(token), ({ status }) => status === 200), {
    concurrency: 10
  })

layer(Server.layer(), Wire.options)("SessionFlood", (it) => {
  it.effect("keeps a hundred sessions, ends the oldest first, and closes its socket", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const first = yield* Wire.signIn(tenant)
      const second = yield* Wire.signIn(tenant)
      const { connection } = yield* Raw.openSocket(first.token)
      const filling = yield* flood(tenant, limit - 2)
      assert.strictEqual((yield* living([first, second, ...filling])).length, limit)
      yield* Wire.signIn(tenant)
      assert.deepEqual(yield* connection.closed, { code: 4401, reason: "session_revoked" })
      Wire.isProblem(yield* Wire.me(first.token), 401, "invalid_token")
      Wire.isProblem(yield* Wire.refresh(first.refresh_token), 401, "invalid_refresh_token")
      assert.strictEqual((yield* Wire.me(second.token)).status, 200)
      assert.strictEqual((yield* Raw.exchange(Raw.handshake(`/ws?token=${first.token}`)))?.status, 401)
    }))

  it.effect("never has more than a hundred while a flood goes on, and keeps the newest", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const { user } = yield* Wire.signIn(tenant)
      const old = yield* flood(tenant, limit - 1)
      for (let wave = 0; wave < 5; wave++) {
        yield* flood(tenant, 20)
        assert.strictEqual(yield* openSessions(user.id), limit)
      }
      assert.deepEqual(yield* living(old), [])
      const { token } = yield* Wire.signIn(tenant)
      assert.strictEqual((yield* Wire.me(token)).status, 200)
      assert.strictEqual(yield* openSessions(user.id), limit)
    }))

  it.effect("does not count or end the sessions of another user, or of the same name elsewhere", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const bob = yield* Wire.signIn(tenant, "bob")
      const namesake = yield* Wire.signIn(yield* Wire.makeTenant)
      yield* flood(tenant, limit + 10)
      for (const { refresh_token, token } of [bob, namesake]) {
        assert.strictEqual((yield* Wire.me(token)).status, 200)
        yield* Wire.refreshed(refresh_token)
      }
    }))

  it.effect("counts sessions opened by password and by the backend together", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const { id } = yield* Wire.createUser(tenant)
      const first = yield* Wire.login(tenant.app_id, "ada", Wire.password)
      assert.strictEqual(first.status, 200)
      yield* flood(tenant, limit)
      Wire.isProblem(yield* Wire.me(first.body.token), 401, "invalid_token")
      assert.strictEqual((yield* Wire.login(tenant.app_id, "ada", Wire.password)).status, 200)
      assert.strictEqual(yield* openSessions(id), limit)
    }))
})
