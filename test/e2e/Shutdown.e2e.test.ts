// The end of an instance: it says so, finishes what it took on, sends its sockets away and is gone within ten seconds.
import { assert, describe, it } from "@effect/vitest"
import { Agent, request } from "node:http"
import { connect } from "node:net"
import { once } from "node:events"
import { call, expectStatus, makeTenant, me, openSocket, poll, signIn, within } from "./support/Client.ts"
import { adminKey, type Environment, runtime, type Service, start, tempDir } from "./support/Process.ts"

const inOrder = { code: 0, signal: null }

const started = (dir: { readonly path: string }, env: Environment = {}) =>
  start({
    DATA_DIR: dir.path,
    ROOMKEY_ADMIN_KEY: adminKey,
    SOCKET_DRAIN: "1 second",
    MAX_SOCKETS_PER_USER: "100",
    ...env
  })

interface Got {
  readonly status: number | undefined
  readonly connection: string | undefined
}

/** A client with one connection of its own, which it keeps. */
class KeepAlive {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #service: Service

  constructor(service: Service) {
    this.#service = service
  }

  async get(path: string, token?: string): Promise<Got> {
    return this.#send("GET", path, token === undefined ? {} : { authorization: `Bearer ${token}` })
  }

  async post(path: string, json: unknown): Promise<Got> {
    return this.#send("POST", path, { "content-type": "application/json" }, JSON.stringify(json))
  }

  async #send(method: string, path: string, headers: Record<string, string>, body?: string): Promise<Got> {
    const sent = request(this.#service.url + path, { method, headers, agent: this.#agent })
    const answered = once(sent, "response")
    sent.end(body)
    const [response] = await answered
    response.resume()
    await once(response, "end")
    return { status: response.statusCode, connection: response.headers.connection }
  }
}

describe(`Shutdown on ${runtime}`, () => {
  it("finishes every accepted request, closes sockets with 1012 and exits 0", async () => {
    using dir = tempDir()
    await using service = await started(dir, {
      ARGON2_MEMORY_KIB: "19456",
      ARGON2_ITERATIONS: "10",
      HASH_CONCURRENCY: "1",
      LIMIT_LOGIN_ACCOUNT: "1000"
    })
    const { app_id, api_key } = await makeTenant(service)
    const ada = { username: "ada", password: "not the commonest" }
    expectStatus(201, await call(service, "POST", "/api/tenant/users", { bearer: api_key, json: ada }))
    const { token } = await signIn(service, api_key, "bob")
    const sockets = await Promise.all(Array.from({ length: 20 }, () => openSocket(service, token)))

    const clients = Array.from({ length: 12 }, () => new KeepAlive(service))
    await Promise.all(clients.map((client) => client.get("/health")))
    const logins = clients.map((client) => client.post("/api/auth/token", { app_id, ...ada }))
    // One is done, the others wait in the queue for hashing or are on their connection.
    await Promise.race(logins)
    const exited = within(10, "shutting down", service.signal("SIGTERM"))

    assert.strictEqual((await poll(service, "/ready", 503, 2)).body.code, "unavailable")
    const closes = await Promise.all(sockets.map(({ closed }) => closed))
    for (const { code, reason } of closes) assert.deepEqual({ code, reason }, { code: 1012, reason: "restarting" })
    const times = closes.map(({ at }) => at)
    assert.isAbove(Math.max(...times) - Math.min(...times), 500, "the closes are spread")
    assert.deepEqual((await Promise.all(logins)).map(({ status }) => status), clients.map(() => 200))
    assert.deepEqual(await exited, inOrder)
  })

  it("answers on every kept connection until it is told to leave it", async () => {
    using dir = tempDir()
    await using service = await started(dir)
    const { api_key } = await makeTenant(service)
    const { token } = await signIn(service, api_key, "ada")
    const sockets = await Promise.all(Array.from({ length: 20 }, () => openSocket(service, token)))
    const clients = Array.from({ length: 4 }, () => new KeepAlive(service))
    await Promise.all(clients.map((client) => client.get("/health")))
    const load = clients.map(async (client) => {
      const answers: Array<Got> = []
      do {
        answers.push(await client.get("/api/me", token))
      } while (answers.at(-1)?.connection !== "close")
      return answers
    })
    await openSocket(service, token)
    const exited = within(10, "shutting down", service.signal("SIGTERM"))
    for (const answers of await Promise.all(load)) assert.deepEqual(answers.filter(({ status }) => status !== 200), [])
    assert.strictEqual((await sockets[0]!.closed).code, 1012)
    assert.deepEqual(await exited, inOrder)
  })

  it("waits for no client that holds a connection, a half sent request or a socket it does not close", async () => {
    using dir = tempDir()
    await using service = await started(dir)
    const { api_key } = await makeTenant(service)
    const { token } = await signIn(service, api_key, "ada")
    const { hostname, port } = new URL(service.url)
    const idle = connect(Number(port), hostname)
    const half = connect(Number(port), hostname)
    const deaf = connect(Number(port), hostname)
    for (const socket of [idle, half, deaf]) socket.on("error", () => undefined)
    half.write(
      `POST /api/auth/auto HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api_key}\r\n` +
        "Content-Type: application/json\r\nContent-Length: 20\r\n\r\n{"
    )
    deaf.write(
      `GET /ws?token=${token} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await once(deaf, "data")
    assert.strictEqual((await me(service, token)).status, 200)
    assert.deepEqual(await within(10, "shutting down", service.signal("SIGTERM")), inOrder)
  })

  it("ends in order on SIGINT too, and soon when nobody is there", async () => {
    using dir = tempDir()
    await using service = await started(dir)
    assert.deepEqual(await within(2, "shutting down", service.signal("SIGINT")), inOrder)
  })
})
