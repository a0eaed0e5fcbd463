// A socket that outlives its session would go on listening (Nakama CVE-2022-2306). Whatever ends a session closes its
// sockets, and no token of it opens another.
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, type Layer, Redacted } from "effect"
import { SessionId, TenantId, UserId } from "../../src/domain/Ids.ts"
import { endSession } from "../../src/flows/sessions/EndSession.ts"
import { revokeSessions } from "../../src/flows/sessions/RevokeSessions.ts"
import { changeTenant } from "../../src/flows/tenants/ChangeTenant.ts"
import { changeUser } from "../../src/flows/users/ChangeUser.ts"
import { eraseUser } from "../../src/flows/users/EraseUser.ts"
import { setPassword } from "../../src/flows/users/SetPassword.ts"
import type * as Adapters from "../../src/server/Adapters.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

type Ports = Layer.Success<ReturnType<typeof Adapters.layer>>

const revoked = { code: 4401, reason: "session_revoked" }

const refusedAt = Effect.fn("refusedAt")(function* (token: string) {
  const handshakes = [
    Raw.handshake(`/ws?token=${token}`),
    Raw.handshake("/ws", [`Authorization: Bearer ${token}`]),
    Raw.handshake("/ws", [`Sec-WebSocket-Protocol: roomkey.v1, roomkey.bearer.${token}`])
  ]
  for (const handshake of handshakes) {
    const answer = yield* Raw.exchange(handshake)
    assert.strictEqual(answer?.status, 401)
    assert.strictEqual(JSON.parse(answer!.text).code, "invalid_token")
    assert.notInclude(answer!.text, token)
  }
})

layer(Server.layer(), Wire.options)("LoggedOutSocket", (it) => {
  it.effect("closes the open socket with 4401 on logout, and opens no other with the token", () =>
    Effect.gen(function* () {
      const session = yield* Wire.signIn(yield* Wire.makeTenant)
      const { connection } = yield* Raw.openSocket(session.token)
      assert.strictEqual((yield* call("POST", "/api/logout", { bearer: session.token })).status, 204)
      assert.deepEqual(yield* connection.closed, revoked)
      yield* refusedAt(session.token)
    }))

  it.effect("closes every socket of the session, and none of the user's other session", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const phone = yield* Wire.signIn(tenant)
      const laptop = yield* Wire.signIn(tenant)
      const sockets = yield* Effect.replicateEffect(Raw.openSocket(phone.token), 5)
      const other = yield* Raw.openSocket(laptop.token)
      yield* call("POST", "/api/logout", { bearer: phone.token })
      for (const { connection } of sockets) assert.deepEqual(yield* connection.closed, revoked)
      other.connection.send(Raw.encode(Raw.opcode.text, '{"type":"ping"}'))
      assert.strictEqual((yield* other.connection.json).type, "pong")
    }))

  it.effect("closes the socket when an old refresh token of its session is replayed", () =>
    Effect.gen(function* () {
      const first = yield* Wire.signIn(yield* Wire.makeTenant)
      const second = yield* Wire.refreshed(first.refresh_token)
      const third = yield* Wire.refreshed(second.refresh_token)
      const { connection } = yield* Raw.openSocket(third.token)
      Wire.isProblem(yield* Wire.refresh(first.refresh_token), 401, "refresh_token_reused")
      assert.deepEqual(yield* connection.closed, revoked)
      for (const { token } of [first, second, third]) yield* refusedAt(token)
    }))

  it.effect("closes the sockets of all the user's sessions when its password is set", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const sessions = yield* Effect.replicateEffect(Wire.signIn(tenant), 3)
      const bystander = yield* Raw.openSocket((yield* Wire.signIn(tenant, "bob")).token)
      const sockets = yield* Effect.forEach(sessions, ({ token }) => Raw.openSocket(token))
      assert.strictEqual((yield* Wire.setPassword(tenant, sessions[0]!.user.id, Wire.password)).status, 204)
      for (const { connection } of sockets) assert.deepEqual(yield* connection.closed, revoked)
      for (const { token } of sessions) yield* refusedAt(token)
      bystander.connection.send(Raw.encode(Raw.opcode.text, '{"type":"ping"}'))
      assert.strictEqual((yield* bystander.connection.json).type, "pong")
    }))

  it.effect("answers nothing that was sent behind the logout", () =>
    Effect.gen(function* () {
      const session = yield* Wire.signIn(yield* Wire.makeTenant)
      const { connection } = yield* Raw.openSocket(session.token)
      yield* call("POST", "/api/logout", { bearer: session.token })
      for (let n = 0; n < 10; n++) connection.send(Raw.encode(Raw.opcode.text, `{"type":"ping","id":${n}}`))
      const frame = yield* connection.frame
      assert.strictEqual(frame?.opcode, Raw.opcode.close)
      assert.strictEqual(frame!.payload.readUInt16BE(0), 4401)
    }))

  it.effect("lets no handshake through that races the logout", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      for (let round = 0; round < 10; round++) {
        const session = yield* Wire.signIn(tenant)
        const connections = yield* Effect.replicateEffect(Raw.connect, 4)
        for (const connection of connections) connection.send(Raw.handshake(`/ws?token=${session.token}`))
        assert.strictEqual((yield* call("POST", "/api/logout", { bearer: session.token })).status, 204)
        for (const connection of connections) {
          const answer = yield* connection.answer
          if (answer?.status === 101) assert.deepEqual(yield* connection.closed, revoked)
          else assert.strictEqual(answer?.status, 401, answer?.text)
        }
      }
    }))

  it.effect("lets a kicked user in again at once with a fresh sign-in, and with nothing older", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const kicks = [
        ({ token }: Wire.SignedIn) => call("POST", "/api/logout", { bearer: token }),
        ({ user }: Wire.SignedIn) => call("DELETE", `/api/tenant/users/${user.id}/sessions`, { bearer: tenant.api_key })
      ]
      for (const kick of kicks) {
        const first = yield* Wire.signIn(tenant)
        assert.strictEqual((yield* kick(first)).status, 204)
        const second = yield* Wire.signIn(tenant)
        const { ready } = yield* Raw.openSocket(second.token)
        assert.strictEqual(ready.session_id, Wire.sessionIdOf(second.token))
        yield* refusedAt(first.token)
      }
    }))

  it.effect("closes the sockets though whoever ended the session was gone before it was told so", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const tenantId = TenantId.make(tenant.id)
      const bus = yield* EventBus
      const closes: Record<string, typeof revoked> = {
        ban: { code: 4403, reason: "user_banned" },
        suspension: { code: 4403, reason: "tenant_suspended" }
      }
      const ends: Record<string, (sessionId: SessionId, userId: UserId) => Effect.Effect<unknown, unknown, Ports>> = {
        logout: (sessionId) => endSession(sessionId, "logout"),
        revocation: (_, userId) => revokeSessions(tenantId, userId),
        password: (_, userId) => setPassword(tenantId, userId, { password: Redacted.make(Wire.password) }),
        ban: (_, userId) => changeUser(tenantId, userId, { banned: true }),
        erasure: (_, userId) => eraseUser(tenantId, userId),
        suspension: () => changeTenant(tenantId, { suspended: true })
      }
      for (const [name, end] of Object.entries(ends)) {
        const session = yield* Wire.signIn(tenant, name)
        const { connection } = yield* Raw.openSocket(session.token)
        const ending = yield* end(SessionId.make(Wire.sessionIdOf(session.token)), UserId.make(session.user.id)).pipe(
          Effect.provideService(EventBus, { ...bus, publish: () => Effect.never }),
          Effect.forkChild
        )
        const closed = yield* Effect.timeout(connection.closed, "1 second")
        assert.deepEqual(closed, closes[name] ?? revoked, name)
        yield* Fiber.interrupt(ending)
      }
    }))
})
