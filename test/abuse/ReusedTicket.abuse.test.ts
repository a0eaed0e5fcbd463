// A ticket stands in a URL, where proxies and histories keep it: whoever reads it there comes too late (compare Parse
// CVE-2026-33624). Of any number of uses one wins, and none outlives what the session may do.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { maxTickets } from "../../src/domain/Ticket.ts"
import type { SessionId } from "../../src/domain/Ids.ts"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import { age } from "../support/Time.ts"
import * as World from "../support/World.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

const issue = Effect.fn("issue")(function* (token: string) {
  const answer = yield* call("POST", "/api/ws-ticket", { bearer: token })
  assert.strictEqual(answer.status, 200, answer.text)
  return answer.body.ticket as string
})

const handshake = (ticket: string, query = "") => Raw.handshake(`/ws?ticket=${ticket}${query}`)

/** The status of the answer to a use, and its code if it is refused. */
const use = (ticket: string, query = "") =>
  Effect.map(Raw.exchange(handshake(ticket, query)), (answer) => {
    if (answer?.status !== 101) assert.notInclude(answer?.text, ticket)
    const refusal: ReadonlyArray<unknown> = [answer?.status, JSON.parse(answer?.text || "{}").code]
    return answer?.status === 101 ? [101] : refusal
  })

const open = Effect.fn("open")(function* (ticket: string) {
  const connection = yield* Raw.connect
  connection.send(handshake(ticket))
  assert.strictEqual((yield* connection.answer)?.status, 101)
  const ready = yield* connection.json
  return { connection, ready: ready.payload }
})

const invalid = [401, "invalid_token"]

layer(Server.layer(), Wire.options)("ReusedTicket", (it) => {
  it.effect("opens the socket of the session that asked, as its token would", () =>
    Effect.gen(function* () {
      const session = yield* Wire.signIn(yield* Wire.makeTenant)
      const { ready: expected } = yield* Raw.openSocket(session.token)
      const { connection, ready } = yield* open(yield* issue(session.token))
      assert.strictEqual(ready.session_id, Wire.sessionIdOf(session.token))
      assert.deepEqual(ready.user, expected.user)
      assert.closeTo(Date.parse(ready.expires_at), Date.parse(expected.expires_at), 2000)
      connection.send(Raw.encode(Raw.opcode.text, '{"type":"ping"}'))
      assert.strictEqual((yield* connection.json).type, "pong")
      yield* call("POST", "/api/logout", { bearer: session.token })
      assert.deepEqual(yield* connection.closed, { code: 4401, reason: "session_revoked" })
    }))

  it.effect("lets one of 20 parallel uses in, and no later one", () =>
    Effect.gen(function* () {
      const { token } = yield* Wire.signIn(yield* Wire.makeTenant)
      for (let round = 0; round < 5; round++) {
        const ticket = yield* issue(token)
        const connections = yield* Effect.replicateEffect(Raw.connect, 20)
        for (const connection of connections) connection.send(handshake(ticket))
        const statuses = yield* Effect.forEach(connections, ({ answer }) => Effect.map(answer, (got) => got?.status))
        assert.deepEqual(statuses.toSorted(), [101, ...Array.from({ length: 19 }, () => 401)])
        assert.deepEqual(yield* use(ticket), invalid)
        for (const connection of connections) connection.destroy()
      }
    }).pipe(Effect.scoped))

  it.effect("is used by a use that is refused for another reason", () =>
    Effect.gen(function* () {
      const mine = yield* Wire.makeTenant
      const theirs = yield* Wire.makeTenant
      const { token } = yield* Wire.signIn(mine)
      const crossed = yield* issue(token)
      assert.deepEqual(yield* use(crossed, `&app_id=${theirs.app_id}`), [403, "app_mismatch"])
      assert.deepEqual(yield* use(crossed, `&app_id=${mine.app_id}`), invalid)
      const noHandshake = yield* issue(token)
      Wire.isProblem(yield* call("GET", `/ws?ticket=${noHandshake}`), 400, "invalid_request")
      assert.deepEqual(yield* use(noHandshake), invalid)
      assert.deepEqual(yield* use(yield* issue(token), `&app_id=${mine.app_id}`), [101])
    }))

  it.effect("is refused, and not used, beside any other credential", () =>
    Effect.gen(function* () {
      const { token } = yield* Wire.signIn(yield* Wire.makeTenant)
      const ticket = yield* issue(token)
      for (
        const conflict of [
          handshake(ticket, `&token=${token}`),
          handshake(ticket, `&ticket=${ticket}`),
          handshake(ticket, `&%74icket=${yield* issue(token)}`),
          Raw.handshake(`/ws?ticket=${ticket}`, [`Authorization: Bearer ${token}`]),
          Raw.handshake(`/ws?ticket=${ticket}`, [`Sec-WebSocket-Protocol: roomkey.v1, roomkey.bearer.${token}`])
        ]
      ) {
        const answer = yield* Raw.exchange(conflict)
        assert.deepEqual([answer?.status, JSON.parse(answer!.text).code], [400, "invalid_request"])
      }
      assert.deepEqual(yield* use(ticket), [101])
    }))

  it.effect("is over 30 seconds after its issue, by the database's clock", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { token } = yield* Wire.signIn(yield* Wire.makeTenant)
      const sessionId = Wire.sessionIdOf(token)
      const older = (seconds: number) =>
        sql`update tickets set expires_at = expires_at - make_interval(secs => ${seconds}) where session_id = ${sessionId}`
      const late = yield* issue(token)
      yield* older(30)
      assert.deepEqual(yield* use(late), invalid)
      const early = yield* issue(token)
      yield* older(20)
      assert.deepEqual(yield* use(early), [101])
    }))

  it.effect("is worth what its session is: nothing after a logout, a ban, an erasure, a suspension, a deletion", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const backend = (method: string, path: string, json?: unknown) =>
        call(method, `/api/tenant${path}`, { bearer: tenant.api_key, json })
      const admin = (method: string, json?: unknown) =>
        call(method, `/api/admin/tenants/${tenant.id}`, { bearer: World.adminKey, json })
      const acts = [
        ["logout", ({ token }: Wire.SignedIn) => call("POST", "/api/logout", { bearer: token }), invalid],
        [
          "revocation",
          ({ token }: Wire.SignedIn) => backend("DELETE", `/sessions/${Wire.sessionIdOf(token)}`),
          invalid
        ],
        [
          "ban",
          ({ user }: Wire.SignedIn) => backend("PATCH", `/users/${user.id}`, { banned: true }),
          [403, "user_banned"]
        ],
        ["erasure", ({ user }: Wire.SignedIn) => backend("DELETE", `/users/${user.id}`), invalid],
        ["suspension", () => admin("PATCH", { suspended: true }), [403, "tenant_suspended"]],
        ["deletion", () => admin("DELETE"), invalid]
      ] as const
      for (const [name, act, refusal] of acts) {
        if (name === "deletion") yield* admin("PATCH", { suspended: false })
        const session = yield* Wire.signIn(tenant, name)
        const ticket = yield* issue(session.token)
        assert.isBelow((yield* act(session)).status, 300, name)
        assert.deepEqual(yield* use(ticket), refusal, name)
      }
    }))

  it.effect("lasts no longer than the session token does, and takes the one that a refresh made meanwhile", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const session = yield* Wire.signIn(tenant)
      const sessionId = Wire.sessionIdOf(session.token) as SessionId
      const late = yield* issue(session.token)
      const kept = yield* issue(session.token)
      yield* age(sessionId, 3601)
      assert.deepEqual(yield* use(late), [401, "token_expired"])
      const next = yield* Wire.refreshed(session.refresh_token)
      const { ready } = yield* open(kept)
      const { ready: byToken } = yield* Raw.openSocket(next.token)
      assert.closeTo(Date.parse(ready.expires_at), Date.parse(byToken.expires_at), 2000)
    }))

  it.effect("lets no use through that races the logout", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      for (let round = 0; round < 10; round++) {
        const session = yield* Wire.signIn(tenant)
        const tickets = yield* Effect.replicateEffect(issue(session.token), 4)
        const connections = yield* Effect.forEach(tickets, (ticket) =>
          Effect.tap(Raw.connect, (connection) => Effect.sync(() => connection.send(handshake(ticket)))))
        assert.strictEqual((yield* call("POST", "/api/logout", { bearer: session.token })).status, 204)
        for (const connection of connections) {
          const answer = yield* connection.answer
          if (answer?.status === 101) {
            assert.deepEqual(yield* connection.closed, { code: 4401, reason: "session_revoked" })
          } else assert.strictEqual(answer?.status, 401, answer?.text)
        }
      }
    }))

  it.effect("is one of the newest ten of its session: a flood makes the table no larger", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const tenant = yield* Wire.makeTenant
      const [{ token }, other] = [yield* Wire.signIn(tenant), yield* Wire.signIn(tenant)]
      const kept = yield* issue(other.token)
      const count = Effect.map(
        sql<{ count: number }>`select count(*)::int as count from tickets where session_id = ${
          Wire.sessionIdOf(token)
        }`,
        ([row]) => row!.count
      )
      const tickets = yield* Effect.replicateEffect(issue(token), 2 * maxTickets)
      assert.strictEqual(yield* count, maxTickets)
      assert.deepEqual(yield* use(tickets[maxTickets - 1]!), invalid)
      assert.deepEqual(yield* use(tickets[maxTickets]!), [101])
      // Those asked for at one moment may stay until the next one is.
      const flood = 200
      yield* Effect.replicateEffect(issue(token), flood, { concurrency: 20 })
      assert.isAtMost(yield* count, maxTickets + 20)
      yield* issue(token)
      assert.strictEqual(yield* count, maxTickets)
      assert.deepEqual(yield* use(kept), [101])
    }))

  it.effect("is kept as its digest alone", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { token } = yield* Wire.signIn(yield* Wire.makeTenant)
      const ticket = yield* issue(token)
      const [row] = yield* sql<{ digest: string; text: string }>`
        select encode(digest, 'hex') as digest, tickets::text as text from tickets
        where session_id = ${Wire.sessionIdOf(token)}`
      assert.strictEqual(row!.digest, createHash("sha256").update(Buffer.from(ticket, "hex")).digest("hex"))
      assert.notInclude(row!.text, ticket)
      assert.notInclude(ticket, token.slice(0, 32))
      assert.deepEqual(yield* use(row!.digest), invalid)
    }))
})
