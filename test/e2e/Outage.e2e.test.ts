// PostgreSQL goes away in four ways. Everything is refused with 503 in bounded time, nothing is concluded from the
// silence, and all is well again, by itself, when the database is.
import { assert, describe, it } from "@effect/vitest"
import {
  type Answer,
  call,
  eventually,
  expectStatus,
  handshake,
  handshakeByTicket,
  logout,
  makeTenant,
  me,
  openSocket,
  type Pair,
  poll,
  refresh,
  signIn,
  type Target,
  type Tenant,
  within
} from "./support/Client.ts"
import { freshDatabase, needsPostgres } from "./support/Postgres.ts"
import { adminKey, freePort, launch, runtime, start } from "./support/Process.ts"
import { type Fault, Proxy } from "./support/Proxy.ts"

const faults: ReadonlyArray<Fault> = [
  "refuses connections",
  "cuts connections",
  "answers nothing"
]

const password = "not the commonest"

/** A call of every endpoint that needs the database, by its name in the OpenAPI document. */
const calls = (target: Target, tenant: Tenant, pair: Pair): Record<string, () => Promise<Answer>> => {
  const as = (bearer: string) => (method: string, path: string, json?: unknown) => () =>
    call(target, method, path, { bearer, json })
  const backend = as(tenant.api_key)
  const app = as(pair.token)
  const admin = as(adminKey)
  const anyone = (path: string, json: unknown) => () => call(target, "POST", path, { json })
  const id = "01a20e16-cba6-7f46-a4e6-af8b299f2ffb"
  return {
    "post /api/auth/auto": backend("POST", "/api/auth/auto", { username: "eve" }),
    "post /api/auth/token": anyone("/api/auth/token", { app_id: tenant.app_id, username: "ada", password }),
    "post /api/register": anyone("/api/register", { app_id: tenant.app_id, username: "eve", password }),
    "post /api/token/refresh": anyone("/api/token/refresh", { refresh_token: pair.refresh_token }),
    "post /api/logout": app("POST", "/api/logout"),
    "get /api/me": app("GET", "/api/me"),
    "get /api/me/sessions": app("GET", "/api/me/sessions"),
    "delete /api/me/sessions": app("DELETE", "/api/me/sessions"),
    "delete /api/me/sessions/{id}": app("DELETE", `/api/me/sessions/${id}`),
    "post /api/ws-ticket": app("POST", "/api/ws-ticket"),
    "post /api/me/password": app("POST", "/api/me/password", { current_password: password, new_password: password }),
    "get /api/channels": app("GET", "/api/channels"),
    "post /api/channels": app("POST", "/api/channels", { name: "Lobby" }),
    "delete /api/channels/{id}": app("DELETE", "/api/channels/999"),
    "get /api/ice-servers": app("GET", "/api/ice-servers"),
    "get /ready": () => call(target, "GET", "/ready"),
    "get /ws": () => handshake(target, pair.token),
    "get /api/tenant": backend("GET", "/api/tenant"),
    "patch /api/tenant": backend("PATCH", "/api/tenant", { name: "Renamed" }),
    "get /api/tenant/api-keys": backend("GET", "/api/tenant/api-keys"),
    "post /api/tenant/api-keys": backend("POST", "/api/tenant/api-keys", { label: "second" }),
    "delete /api/tenant/api-keys/{id}": backend("DELETE", `/api/tenant/api-keys/${id}`),
    "get /api/tenant/users": backend("GET", "/api/tenant/users"),
    "post /api/tenant/users": backend("POST", "/api/tenant/users", { username: "eve", password }),
    "get /api/tenant/users/{id}": backend("GET", "/api/tenant/users/999"),
    "patch /api/tenant/users/{id}": backend("PATCH", "/api/tenant/users/999", { banned: true }),
    "delete /api/tenant/users/{id}": backend("DELETE", "/api/tenant/users/999"),
    "put /api/tenant/users/{id}/password": backend("PUT", "/api/tenant/users/999/password", { password }),
    "get /api/tenant/users/{id}/sessions": backend("GET", "/api/tenant/users/999/sessions"),
    "delete /api/tenant/users/{id}/sessions": backend("DELETE", "/api/tenant/users/999/sessions"),
    "delete /api/tenant/sessions/{id}": backend("DELETE", `/api/tenant/sessions/${id}`),
    "get /api/tenant/channels": backend("GET", "/api/tenant/channels"),
    "post /api/tenant/channels": backend("POST", "/api/tenant/channels", { name: "Lobby" }),
    "patch /api/tenant/channels/{id}": backend("PATCH", "/api/tenant/channels/999", { name: "Renamed" }),
    "delete /api/tenant/channels/{id}": backend("DELETE", "/api/tenant/channels/999"),
    "get /api/tenant/channels/{id}/members": backend("GET", "/api/tenant/channels/999/members"),
    "get /api/tenant/channels/{id}/users/{user_id}": backend("GET", "/api/tenant/channels/999/users/999"),
    "patch /api/tenant/channels/{id}/users/{user_id}": backend("PATCH", "/api/tenant/channels/999/users/999", {
      muted: true
    }),
    "get /api/tenant/events": backend("GET", "/api/tenant/events"),
    "get /api/tenant/usage": backend("GET", "/api/tenant/usage"),
    "post /api/tenant/introspect": backend("POST", "/api/tenant/introspect", { token: pair.token }),
    "get /api/admin/tenants": admin("GET", "/api/admin/tenants"),
    "post /api/admin/tenants": admin("POST", "/api/admin/tenants", { name: "Second" }),
    "patch /api/admin/tenants/{id}": admin("PATCH", "/api/admin/tenants/999", { suspended: true }),
    "delete /api/admin/tenants/{id}": admin("DELETE", "/api/admin/tenants/999")
  }
}

const needsNoDatabase = ["get /health", "get /metrics"]

/** The endpoints as the service itself lists them. */
const endpointsOf = async (target: Target): Promise<ReadonlyArray<string>> => {
  const { body } = await call(target, "GET", "/openapi.json")
  const paths = body.paths as Record<string, Record<string, unknown>>
  return Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`))
}

const isUnavailable = (name: string, answer: Answer) => {
  assert.strictEqual(answer.status, 503, `${name}: ${answer.text}`)
  assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/, name)
  assert.strictEqual(answer.body.code, "unavailable", name)
  assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/, name)
}

/** Asks the database, whatever is remembered of the session. */
const mySessions = (target: Target, token: string) => call(target, "GET", "/api/me/sessions", { bearer: token })

const isAway = async (target: Target, tenant: Tenant, pair: Pair) => {
  await Promise.all(
    Object.entries(calls(target, tenant, pair)).map(async ([name, ask]) => {
      isUnavailable(name, await within(5, name, ask()))
    })
  )
  const byTicket = await within(5, "get /ws by ticket", handshakeByTicket(target, "0".repeat(64)))
  isUnavailable("get /ws by ticket", byTicket)
  assert.strictEqual((await within(1, "/health", call(target, "GET", "/health"))).status, 200)
}

describe(`Outage on ${runtime}`, () => {
  it.for(faults)(
    "answers 503 while the database %s, and recovers by itself with nobody logged out",
    async (fault, context) => {
      needsPostgres(context)
      await using database = await freshDatabase()
      await using proxy = await Proxy.to(database.url)
      await using service = await start({ DATABASE_URL: proxy.url, ROOMKEY_ADMIN_KEY: adminKey })
      const tenant = await makeTenant(service)
      const ada = await signIn(service, tenant.api_key, "ada")
      const bob = await signIn(service, tenant.api_key, "bob")
      const carol = await signIn(service, tenant.api_key, "carol")
      const socket = await openSocket(service, ada.token)
      assert.sameMembers(
        [...Object.keys(calls(service, tenant, carol)), ...needsNoDatabase],
        [...await endpointsOf(service)]
      )

      await proxy.fail(fault)
      // What was asked of Carol's session may happen yet: 503 promises nothing of the call that it answers.
      await isAway(service, tenant, carol)
      for (const { token } of [ada, bob]) isUnavailable("me", await me(service, token))
      assert.strictEqual((await call(service, "GET", "/metrics")).status, 200)

      await proxy.recover()
      await poll(service, "/ready", 200)
      // Once it is ready it is ready: no call meets a connection of before.
      const again = await Promise.all(Array.from({ length: 20 }, () => me(service, ada.token)))
      assert.deepEqual(again.map(({ status }) => status), again.map(() => 200))
      expectStatus(200, await me(service, bob.token))
      const next = expectStatus(200, await refresh(service, bob.refresh_token)).body
      expectStatus(200, await me(service, next.token))
      expectStatus(
        200,
        await call(service, "POST", "/api/auth/auto", { bearer: tenant.api_key, json: { username: "eve" } })
      )
      assert.isFalse(socket.isClosed())
      expectStatus(204, await logout(service, ada.token))
      assert.strictEqual((await within(1, "closing the socket", socket.closed)).code, 4401)
    }
  )

  it("gives up connections that the network forgot without a word, and hears of other instances again", async (context) => {
    needsPostgres(context)
    await using database = await freshDatabase()
    await using proxy = await Proxy.to(database.url)
    const environment = { ROOMKEY_ADMIN_KEY: adminKey }
    await using here = await start({ ...environment, DATABASE_URL: proxy.url })
    await using elsewhere = await start({ ...environment, DATABASE_URL: database.url })
    const tenant = await makeTenant(here)
    const ada = await signIn(here, tenant.api_key, "ada")
    const socket = await openSocket(here, ada.token)
    // Every connection of the pool is open, and has something to wait for.
    await Promise.all(Array.from({ length: 40 }, () => mySessions(here, ada.token)))

    await proxy.fail("forgets connections")
    isUnavailable("my sessions", await mySessions(here, ada.token))
    await proxy.recover()
    // Each connection is given up ten seconds after its first word that nobody answered.
    await poll(here, "/ready", 200, 20)
    await eventually(20, "every call answered", async () => {
      const all = await Promise.all(Array.from({ length: 40 }, () => mySessions(here, ada.token)))
      return all.every(({ status }) => status === 200)
    })
    expectStatus(204, await logout(elsewhere, ada.token))
    assert.strictEqual((await within(20, "closing the socket", socket.closed)).code, 4401)
  })

  it.for(faults)("starts while the database %s, and serves when it is back", async (fault, context) => {
    needsPostgres(context)
    await using database = await freshDatabase()
    await using proxy = await Proxy.to(database.url)
    await proxy.fail(fault)
    const port = await freePort()
    await using service = launch({ DATABASE_URL: proxy.url, ROOMKEY_ADMIN_KEY: adminKey, PORT: String(port) })
    service.url = `http://127.0.0.1:${port}`
    await poll(service, "/health", 200)
    const zeros = "0".repeat(64)
    await isAway(
      service,
      { id: 1, app_id: `vc_app_${"0".repeat(32)}`, api_key: `vc_${zeros}` },
      { token: zeros, refresh_token: zeros, expires_in: 3600 }
    )

    await proxy.recover()
    await poll(service, "/ready", 200)
    const { api_key } = await makeTenant(service)
    const { token } = await signIn(service, api_key, "ada")
    assert.strictEqual((await openSocket(service, token)).ready.type, "ready")
  })
})
