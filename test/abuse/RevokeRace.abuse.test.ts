// A password is changed because somebody else knows it, while that somebody signs in and refreshes as fast as it can.
// Nothing that the old password, or a session of before, brought forth may live on (Better Auth #11073).
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

const rounds = 5

const isDead = Effect.fn("isDead")(function* (pair: Wire.Pair) {
  Wire.isProblem(yield* Wire.me(pair.token), 401, "invalid_token")
  Wire.isProblem(yield* Wire.refresh(pair.refresh_token), 401, "invalid_refresh_token")
})

const successes = (answers: ReadonlyArray<Server.Answer>) =>
  answers.filter(({ status }) => status === 200).map(({ body }) => body as Wire.Pair)

const openSessions = (userId: number) =>
  Effect.flatMap(
    PgClient,
    (sql) => sql<{ id: string }>`select id from sessions where user_id = ${userId} and ended_at is null`
  )

const newPassword = (round: number) => `correct horse battery ${round}`

layer(Server.layer({ HASH_CONCURRENCY: "8" }), Wire.options)("RevokeRace", (it) => {
  it.effect("leaves no session that the old password opened, however close its login came to the change", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const { id } = yield* Wire.createUser(tenant)
      let password = Wire.password
      for (let round = 0; round < rounds; round++) {
        const login = Wire.login(tenant.app_id, "ada", password)
        const [before, set, after] = yield* Effect.all([
          Effect.replicateEffect(login, 8, { concurrency: "unbounded" }),
          Wire.setPassword(tenant, id, newPassword(round)),
          Effect.replicateEffect(login, 8, { concurrency: "unbounded" })
        ], { concurrency: "unbounded" })
        assert.strictEqual(set.status, 204, set.text)
        for (const answer of [...before, ...after]) assert.include([200, 401], answer.status, answer.text)
        assert.deepEqual(yield* openSessions(id), [])
        for (const pair of successes([...before, ...after])) yield* isDead(pair)
        password = newPassword(round)
      }
      assert.strictEqual((yield* Wire.login(tenant.app_id, "ada", password)).status, 200)
    }))

  it.effect("leaves no session of before that was being refreshed, and none of its pairs", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const { id } = yield* Wire.createUser(tenant)
      for (let round = 0; round < rounds; round++) {
        const sessions = yield* Effect.replicateEffect(Wire.signIn(tenant), 8)
        const [refreshed, set, again] = yield* Effect.all([
          Effect.forEach(sessions, ({ refresh_token }) => Wire.refresh(refresh_token), { concurrency: "unbounded" }),
          Wire.setPassword(tenant, id, newPassword(round)),
          Effect.forEach(sessions, ({ refresh_token }) => Wire.refresh(refresh_token), { concurrency: "unbounded" })
        ], { concurrency: "unbounded" })
        assert.strictEqual(set.status, 204, set.text)
        assert.deepEqual(yield* openSessions(id), [])
        for (const pair of [...sessions, ...successes([...refreshed, ...again])]) yield* isDead(pair)
      }
    }))

  it.effect("keeps the list of open sessions and the tokens that work the same, whatever raced", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const { id } = yield* Wire.createUser(tenant)
      const before = yield* Effect.replicateEffect(Wire.signIn(tenant), 4)
      const answers = yield* Effect.all([
        ...before.map(({ refresh_token }) => Wire.refresh(refresh_token)),
        ...before.map(({ token }) => call("POST", "/api/logout", { bearer: token })),
        Wire.setPassword(tenant, id, newPassword(0)),
        ...Array.from({ length: 8 }, () => Server.autoAuth(tenant.api_key, { username: "ada" })),
        Wire.setPassword(tenant, id, newPassword(1)),
        ...Array.from({ length: 8 }, () => Server.autoAuth(tenant.api_key, { username: "ada" }))
      ], { concurrency: "unbounded" })
      const pairs = successes(answers)
      const alive = new Set<string>()
      for (const { token } of pairs) {
        if ((yield* Wire.me(token)).status === 200) alive.add(Wire.sessionIdOf(token))
      }
      assert.deepEqual([...alive].sort(), (yield* openSessions(id)).map(({ id }) => id).sort())
      for (const pair of before) yield* isDead(pair)
    }))

  it.effect("closes every socket that was opened while the password changed, but those of later sessions", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const { id } = yield* Wire.createUser(tenant)
      for (let round = 0; round < rounds; round++) {
        const session = yield* Wire.signIn(tenant)
        const connections = yield* Effect.replicateEffect(Raw.connect, 4)
        for (const connection of connections) connection.send(Raw.handshake(`/ws?token=${session.token}`))
        assert.strictEqual((yield* Wire.setPassword(tenant, id, newPassword(round))).status, 204)
        for (const connection of connections) {
          const answer = yield* connection.answer
          if (answer?.status === 101) assert.strictEqual((yield* connection.closed)?.code, 4401)
          else assert.strictEqual(answer?.status, 401, answer?.text)
        }
      }
      const later = yield* Wire.signIn(tenant)
      assert.strictEqual((yield* Raw.openSocket(later.token)).ready.user.id, id)
    }))

  it.effect("waits in no circle: sign-ins that change the profile and changes of the password all get their answer", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const { id } = yield* Wire.createUser(tenant)
      const signIns = Effect.forEach(
        Array.from({ length: 25 }, (_, n) => n),
        (n) => call("POST", "/api/auth/auto", { bearer: tenant.api_key, json: { username: "ada", metadata: { n } } })
      )
      const [answers, sets] = yield* Effect.all([
        Effect.replicateEffect(signIns, 4, { concurrency: "unbounded" }),
        Effect.forEach(Array.from({ length: 15 }, (_, n) => n), (n) => Wire.setPassword(tenant, id, newPassword(n)))
      ], { concurrency: "unbounded" })
      assert.deepEqual([...new Set(answers.flat().map(({ status }) => status))], [200])
      assert.deepEqual([...new Set(sets.map(({ status }) => status))], [204])
    }))
})
