// Traces, logs and metrics over OTLP/HTTP, at a receiver that keeps what a collector would: they arrive, they tell what
// happened, and no credential is in any of it.
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { call, expectStatus, makeTenant, me, openSocket, refresh, signIn } from "./support/Client.ts"
import { adminKey, runtime, start, tempDir } from "./support/Process.ts"

interface Received {
  readonly path: string
  readonly body: string
}

const receiver = async () => {
  const received: Array<Received> = []
  const server = createServer(async (request, response) => {
    received.push({ path: request.url ?? "", body: await text(request) })
    response.writeHead(200, { "content-type": "application/json" }).end("{}")
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the receiver listens on TCP")
  return {
    url: `http://127.0.0.1:${address.port}`,
    at: (path: string) => received.filter((one) => one.path === path).map(({ body }) => JSON.parse(body)),
    everything: () => received.map(({ body }) => body).join("\n"),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    }
  }
}

describe(`Telemetry on ${runtime}`, () => {
  it("reaches a collector, with spans, logs and metrics of what happened, and without a secret", async () => {
    using dir = tempDir()
    await using collector = await receiver()
    await using service = await start({
      DATA_DIR: dir.path,
      ROOMKEY_ADMIN_KEY: adminKey,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      LOG_LEVEL: "Debug"
    })
    const tenant = await makeTenant(service)
    const password = "correct horse battery"
    const json = { username: "ada", password }
    expectStatus(201, await call(service, "POST", "/api/tenant/users", { bearer: tenant.api_key, json }))
    const first = await signIn(service, tenant.api_key, "ada")
    expectStatus(200, await me(service, first.token))
    expectStatus(200, await call(service, "GET", `/api/me?token=${first.token}`))
    expectStatus(401, await call(service, "GET", `/api/me?token=${first.token.slice(0, 32)}${"0".repeat(32)}`))
    const second = expectStatus(200, await refresh(service, first.refresh_token)).body
    const login = { app_id: tenant.app_id, username: "ada", password }
    expectStatus(200, await call(service, "POST", "/api/auth/token", { json: login }))
    expectStatus(401, await call(service, "POST", "/api/auth/token", { json: { ...login, password: "wrong horse" } }))
    await openSocket(service, second.token)
    assert.strictEqual((await service.signal("SIGTERM")).code, 0)

    const spans = collector.at("/v1/traces").flatMap(({ resourceSpans }) =>
      resourceSpans.flatMap((resource: { scopeSpans: ReadonlyArray<{ spans: ReadonlyArray<{ name: string }> }> }) => {
        assert.include(JSON.stringify(resource), '"roomkey"')
        return resource.scopeSpans.flatMap(({ spans }) => spans.map(({ name }) => name))
      })
    )
    for (const name of ["autoAuth", "passwordAuth", "refreshSession", "authenticate"]) assert.include(spans, name)
    const traces = JSON.stringify(collector.at("/v1/traces"))
    for (const route of ["/api/auth/auto", "/api/auth/token", "/api/token/refresh", "/api/me"]) {
      assert.include(traces, `{"key":"http.route","value":{"stringValue":"${route}"}}`)
    }
    assert.include(JSON.stringify(collector.at("/v1/logs")), "Tenant created")
    assert.include(JSON.stringify(collector.at("/v1/metrics")), "roomkey_sessions_issued_total")

    const everything = collector.everything()
    const secrets = {
      "API key": tenant.api_key.slice(-32),
      "session token": first.token.slice(-32),
      "refresh token": first.refresh_token.slice(-32),
      "next session token": second.token.slice(-32),
      "next refresh token": second.refresh_token.slice(-32),
      "admin key": adminKey.slice(-32),
      "password": password,
      "wrong password": "wrong horse"
    }
    for (const [name, secret] of Object.entries(secrets)) {
      assert.notInclude(everything, secret, `the ${name} left the service`)
    }
  })
})
