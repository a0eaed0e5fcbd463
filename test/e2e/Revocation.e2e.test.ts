// How long a revocation takes to reach the other instance, while both are busy and their listening connections are
// killed; and what an instance answers that cannot hear of it at all.
import { assert, describe, it } from "@effect/vitest"
import { call, expectStatus, logout, makeTenant, me, openSocket, poll, signIn, within } from "./support/Client.ts"
import { freshDatabase, needsPostgres } from "./support/Postgres.ts"
import { adminKey, runtime, start } from "./support/Process.ts"
import { Proxy } from "./support/Proxy.ts"

const sessions = 200

const millis = (sorted: ReadonlyArray<number>, share: number): string =>
  `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(1)} ms`

describe(`Revocation on ${runtime}`, () => {
  it("reaches every socket of the other instance within a second, under load and with the listeners killed", async (context) => {
    needsPostgres(context)
    await using database = await freshDatabase()
    const env = { DATABASE_URL: database.url, ROOMKEY_ADMIN_KEY: adminKey }
    await using left = await start(env)
    await using right = await start(env)
    const { api_key } = await makeTenant(left)

    let done = false
    const load = Array.from({ length: 8 }, async (_, n) => {
      const { token } = await signIn(left, api_key, `busy ${n}`)
      while (!done) {
        const target = n % 2 === 0 ? left : right
        expectStatus(200, await me(target, token))
        expectStatus(
          200,
          await call(target, "POST", "/api/auth/auto", { bearer: api_key, json: { username: `b ${n}` } })
        )
      }
    })

    const took: Array<number> = []
    for (let n = 0; n < sessions; n++) {
      const { token } = await signIn(left, api_key, `user ${n}`)
      const socket = await openSocket(right, token)
      if (n % 50 === 25) {
        const killed = await database.query(`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid() and query ilike 'listen%'`)
        assert.isAtLeast(killed.length, 1)
      }
      expectStatus(204, await logout(left, token))
      const revoked = performance.now()
      // From the first moment on: the other instance asks the database.
      assert.strictEqual((await me(right, token)).status, 401)
      const { at, code } = await within(1, "closing the other instance's socket", socket.closed)
      assert.strictEqual(code, 4401)
      took.push(Math.max(0, at - revoked))
    }
    done = true
    await Promise.all(load)
    took.sort((a, b) => a - b)
    console.log(
      `revocation until the other instance's socket was closed, ${sessions} times under load: ` +
        `p50 ${millis(took, 0.5)}, p99 ${millis(took, 0.99)}, worst ${millis(took, 1)}`
    )
  })

  it("is never contradicted by an instance that is cut off from the database, whatever it did not hear", async (context) => {
    needsPostgres(context)
    await using database = await freshDatabase()
    await using proxy = await Proxy.to(database.url)
    await using left = await start({ DATABASE_URL: database.url, ROOMKEY_ADMIN_KEY: adminKey })
    await using right = await start({ DATABASE_URL: proxy.url, ROOMKEY_ADMIN_KEY: adminKey })
    const { api_key } = await makeTenant(left)
    const { token } = await signIn(left, api_key, "ada")
    const socket = await openSocket(right, token)
    assert.strictEqual((await me(right, token)).status, 200)

    await proxy.fail("answers nothing")
    expectStatus(204, await logout(left, token))
    const answers = await Promise.all([
      ...Array.from({ length: 5 }, () => me(right, token)),
      call(right, "POST", "/api/tenant/introspect", { bearer: api_key, json: { token } }),
      call(right, "GET", "/api/channels", { bearer: token })
    ])
    for (const answer of answers) assert.strictEqual(answer.status, 503, answer.text)

    await proxy.recover()
    await poll(right, "/ready", 200)
    assert.strictEqual((await me(right, token)).status, 401)
    assert.strictEqual((await within(6, "closing the socket that was cut off", socket.closed)).code, 4401)
  })
})
