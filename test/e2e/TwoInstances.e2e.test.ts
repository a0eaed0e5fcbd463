// Two processes on one PostgreSQL are one service: what one does, the other knows within a second.
import { assert, describe, it } from "@effect/vitest"
import {
  call,
  eventually,
  expectStatus,
  handshakeByTicket,
  logout,
  makeTenant,
  me,
  openSocket,
  poll,
  refresh,
  signIn,
  within
} from "./support/Client.ts"
import { type FreshDatabase, freshDatabase, needsPostgres } from "./support/Postgres.ts"
import { adminKey, runtime, type Service, start } from "./support/Process.ts"

interface Pair extends AsyncDisposable {
  readonly left: Service
  readonly right: Service
  readonly database: FreshDatabase
  readonly apiKey: string
}

/** Started at the same moment on an empty database, so that their migrations race. */
const startPair = async (): Promise<Pair> => {
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await freshDatabase())
  const env = { DATABASE_URL: database.url, ROOMKEY_ADMIN_KEY: adminKey, REFRESH_GRACE: "2 seconds" }
  const both = await Promise.allSettled([start(env), start(env)])
  for (const result of both) if (result.status === "fulfilled") stack.use(result.value)
  const [left, right] = both.map((result) => {
    if (result.status === "rejected") throw result.reason
    return result.value
  })
  const { api_key } = await makeTenant(left!)
  const owned = stack.move()
  return {
    left: left!,
    right: right!,
    database,
    apiKey: api_key,
    [Symbol.asyncDispose]: () => owned.disposeAsync()
  }
}

/** `act` on one instance ends the session: the other's socket closes with 4401 within a second, its REST says no. */
const endsOnTheOther = async ({ right }: Pair, token: string, act: () => Promise<unknown>) => {
  const socket = await openSocket(right, token)
  await act()
  const [{ code, reason }] = await Promise.all([
    within(1, "closing the other instance's socket", socket.closed),
    eventually(1, "the other instance's refusal", async () => (await me(right, token)).status === 401)
  ])
  assert.deepEqual({ code, reason }, { code: 4401, reason: "session_revoked" })
}

const reuse = async ({ left, right, apiKey }: Pair) => {
  const first = await signIn(left, apiKey, "mallory")
  const second = expectStatus(200, await refresh(right, first.refresh_token)).body
  const third = expectStatus(200, await refresh(left, second.refresh_token)).body
  return {
    token: third.token as string,
    act: async () => {
      const stolen = expectStatus(401, await refresh(left, first.refresh_token))
      assert.strictEqual(stolen.body.code, "refresh_token_reused")
    }
  }
}

describe(`TwoInstances on ${runtime}`, () => {
  it("start at once on an empty database, and answer 50 parallel refreshes of one token with one pair", async (context) => {
    needsPostgres(context)
    await using pair = await startPair()
    const { left, right, apiKey } = pair
    const { refresh_token } = await signIn(left, apiKey, "ada")
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => refresh(n % 2 === 0 ? left : right, refresh_token))
    )
    const pairs = new Set(answers.map((answer) => {
      const { token, refresh_token } = expectStatus(200, answer).body
      return `${token} ${refresh_token}`
    }))
    assert.strictEqual(pairs.size, 1)
    for (const service of [left, right]) {
      assert.strictEqual((await me(service, answers[0]!.body.token)).status, 200)
    }
  })

  it("sign one user in from a hundred connections at once as one user with a hundred sessions", async (context) => {
    needsPostgres(context)
    await using pair = await startPair()
    const { left, right, apiKey } = pair
    const json = { username: "ada", custom_id: "c-1", metadata: { level: 1 } }
    const answers = await Promise.all(
      Array.from(
        { length: 100 },
        (_, n) => call(n % 2 === 0 ? left : right, "POST", "/api/auth/auto", { bearer: apiKey, json })
      )
    )
    assert.strictEqual(new Set(answers.map((answer) => expectStatus(200, answer).body.user.id)).size, 1)
    assert.strictEqual(new Set(answers.map((answer) => answer.body.token)).size, 100)
    for (const answer of answers) assert.strictEqual((await me(right, answer.body.token)).status, 200)
  })

  it("let a ticket of one in at the other, once of 20 uses at both", async (context) => {
    needsPostgres(context)
    await using pair = await startPair()
    const { left, right, apiKey } = pair
    const { token } = await signIn(left, apiKey, "ada")
    const issue = async (): Promise<string> =>
      expectStatus(200, await call(left, "POST", "/api/ws-ticket", { bearer: token })).body.ticket
    const ticket = await issue()
    assert.strictEqual((await handshakeByTicket(right, ticket)).status, 101)
    for (const service of [left, right]) assert.strictEqual((await handshakeByTicket(service, ticket)).status, 401)
    for (let round = 0; round < 5; round++) {
      const contested = await issue()
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) => handshakeByTicket(n % 2 === 0 ? left : right, contested))
      )
      assert.deepEqual(answers.map(({ status }) => status).sort(), [101, ...Array.from({ length: 19 }, () => 401)])
    }
    const late = await issue()
    expectStatus(204, await logout(left, token))
    assert.strictEqual((await handshakeByTicket(right, late)).body.code, "invalid_token")
  })

  it("end a session everywhere on logout and on reuse", async (context) => {
    needsPostgres(context)
    await using pair = await startPair()
    const { token } = await signIn(pair.left, pair.apiKey, "ada")
    await endsOnTheOther(pair, token, async () => assert.strictEqual((await logout(pair.left, token)).status, 204))
    const stolen = await reuse(pair)
    await endsOnTheOther(pair, stolen.token, stolen.act)
  })

  it("end a session everywhere while the other's listening connection is cut", async (context) => {
    needsPostgres(context)
    await using pair = await startPair()
    const { left, right, database, apiKey } = pair
    const kill = () =>
      database.query(`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and query ilike 'listen%'`)
    const { token } = await signIn(left, apiKey, "ada")
    await endsOnTheOther(pair, token, async () => {
      assert.isAtLeast((await kill()).length, 2)
      assert.strictEqual((await logout(left, token)).status, 204)
    })
    const stolen = await reuse(pair)
    await endsOnTheOther(pair, stolen.token, async () => {
      await kill()
      await stolen.act()
    })
    // Every connection of both, not the listening ones alone: nobody is logged out by it.
    const survivor = await signIn(left, apiKey, "bob")
    const socket = await openSocket(right, survivor.token)
    await database.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`)
    for (const service of [left, right]) {
      await poll(service, "/ready", 200)
      assert.strictEqual((await me(service, survivor.token)).status, 200)
    }
    assert.isFalse(socket.isClosed())
    await logout(left, survivor.token)
    assert.strictEqual((await within(1, "closing", socket.closed)).code, 4401)
  })
})
