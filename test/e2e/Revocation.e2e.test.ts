// How long a revocation takes to reach the other instance, while both are busy and their listening connections are
// killed; and what an instance answers that cannot hear of it at all.
import { assert, describe, it } from "@effect/vitest"
import { setTimeout } from "node:timers/promises"
import {
  type Answer,
  call,
  eventually,
  expectStatus,
  logout,
  makeTenant,
  me,
  openSocket,
  type Pair,
  poll,
  refresh,
  signIn,
  type Tenant,
  within
} from "./support/Client.ts"
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
      const [{ at, code }] = await Promise.all([
        within(1, "closing the other instance's socket", socket.closed),
        eventually(1, "the other instance's refusal", async () => (await me(right, token)).status === 401)
      ])
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

  it("reaches the other instance within a second, whatever it is that ends a session", async (context) => {
    needsPostgres(context)
    await using database = await freshDatabase()
    const env = { DATABASE_URL: database.url, ROOMKEY_ADMIN_KEY: adminKey }
    await using left = await start(env)
    await using right = await start(env)
    const password = "correct horse battery"
    const other = "a different staple"
    const revoked = { code: 4401, reason: "session_revoked" }

    interface World extends Tenant {
      readonly id: number
      readonly userId: number
      readonly first: string
      readonly pair: Pair
    }
    const asTenant = ({ api_key }: World, method: string, path: string, json?: unknown) =>
      call(left, method, path, { bearer: api_key, json })
    const asOperator = ({ id }: World, method: string, json?: unknown) =>
      call(left, method, `/api/admin/tenants/${id}`, { bearer: adminKey, json })
    const acts: Record<string, readonly [(world: World) => Promise<Answer>, { code: number; reason: string }]> = {
      "logout": [({ pair }) => logout(left, pair.token), revoked],
      "reuse": [({ first }) => refresh(left, first), revoked],
      "a change of the password elsewhere": [async ({ app_id }) => {
        const { body } = await call(left, "POST", "/api/auth/token", { json: { app_id, username: "ada", password } })
        const json = { current_password: password, new_password: other }
        return call(left, "POST", "/api/me/password", { bearer: body.token, json })
      }, revoked],
      "a new password": [
        (world) => asTenant(world, "PUT", `/api/tenant/users/${world.userId}/password`, { password: other }),
        revoked
      ],
      "the end of all sessions": [
        (world) => asTenant(world, "DELETE", `/api/tenant/users/${world.userId}/sessions`),
        revoked
      ],
      "a ban": [
        (world) => asTenant(world, "PATCH", `/api/tenant/users/${world.userId}`, { banned: true }),
        { code: 4403, reason: "user_banned" }
      ],
      "an erasure": [(world) => asTenant(world, "DELETE", `/api/tenant/users/${world.userId}`), revoked],
      "a suspension": [
        (world) => asOperator(world, "PATCH", { suspended: true }),
        { code: 4403, reason: "tenant_suspended" }
      ],
      "a tenant's deletion": [(world) => asOperator(world, "DELETE"), revoked]
    }
    for (const [name, [act, close]] of Object.entries(acts)) {
      const tenant = await makeTenant(left)
      const json = { username: "ada", password }
      const { body: user } = await call(left, "POST", "/api/tenant/users", { bearer: tenant.api_key, json })
      const { refresh_token: first } = await signIn(left, tenant.api_key, "ada")
      const second = expectStatus(200, await refresh(left, first)).body
      const pair = expectStatus(200, await refresh(left, second.refresh_token)).body
      const socket = await openSocket(right, pair.token)
      const answer = await act({ ...tenant, userId: user.id, first, pair })
      assert.include([200, 204, 401], answer.status, `${name}: ${answer.text}`)
      const [{ code, reason }] = await Promise.all([
        within(1, name, socket.closed),
        eventually(1, name, async () => [401, 403].includes((await me(right, pair.token)).status))
      ])
      assert.deepEqual({ code, reason }, close, name)
    }

    // A key ends no session; on the other instance too it is worth nothing from then on.
    const { api_key } = await makeTenant(left)
    expectStatus(200, await call(right, "POST", "/api/auth/auto", { bearer: api_key, json: { username: "ada" } }))
    const { body: [{ id }] } = await call(left, "GET", "/api/tenant/api-keys", { bearer: api_key })
    expectStatus(204, await call(left, "DELETE", `/api/tenant/api-keys/${id}?force=true`, { bearer: api_key }))
    const refused = await call(right, "POST", "/api/auth/auto", { bearer: api_key, json: { username: "ada" } })
    assert.strictEqual(refused.body.code, "invalid_api_key")
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
    await eventually(1, "the end of what was remembered", async () => {
      const { status } = await Promise.race([me(right, token), setTimeout(100, { status: 0 })])
      return status !== 200
    })
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
