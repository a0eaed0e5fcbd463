// A new version goes out while everybody is signed in: one instance is stopped and started, then the other, behind a
// load balancer that asks `/ready`. No request fails, nobody is logged out, and sockets come back where there is a place.
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Server } from "node:net"
import { setTimeout } from "node:timers/promises"
import { createAuth, createRealtime, memoryStorage } from "../../src/client/index.ts"
import { call, eventually, makeTenant, me, openSocket, poll, refresh, signIn, type Target } from "./support/Client.ts"
import { freshDatabase, needsPostgres } from "./support/Postgres.ts"
import { adminKey, freePort, runtime, type Service, start } from "./support/Process.ts"

const workers = 8

/** In rotation as long as the last `/ready` said so, as a load balancer has it; asked every 100 ms. */
class Balancer implements Disposable {
  readonly #targets: ReadonlyArray<Target>
  readonly #ready: Array<boolean>
  readonly #stop = new AbortController()
  #next = 0

  constructor(targets: ReadonlyArray<Target>) {
    this.#targets = targets
    this.#ready = targets.map(() => true)
    for (const [n, target] of targets.entries()) void this.#watch(n, target)
  }

  pick(): Target {
    for (let tried = 0; tried < this.#targets.length; tried++) {
      const n = this.#next++ % this.#targets.length
      if (this.#ready[n]) return this.#targets[n]!
    }
    throw new Error("no instance is ready")
  }

  async #watch(n: number, target: Target): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const answer = await call(target, "GET", "/ready", { timeout: 1000 }).catch(() => undefined)
      this.#ready[n] = answer?.status === 200
      await setTimeout(100)
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
  }
}

describe(`RollingRestart on ${runtime}`, () => {
  it("fails no request and logs nobody out, while both instances are restarted under load", async (context) => {
    needsPostgres(context)
    await using database = await freshDatabase()
    const startOn = (port: number) =>
      start({
        DATABASE_URL: database.url,
        ROOMKEY_ADMIN_KEY: adminKey,
        PORT: String(port),
        SHUTDOWN_DELAY: "2 seconds"
      })
    const ports = [await freePort(), await freePort()] as const
    await using stack = new AsyncDisposableStack()
    const services: Array<Service> = []
    for (const port of ports) services.push(stack.use(await startOn(port)))
    const { api_key, app_id } = await makeTenant(services[0]!)
    const password = "correct horse battery"
    for (let n = 0; n < workers; n++) {
      const json = { username: `guest ${n}`, password }
      assert.strictEqual((await call(services[0]!, "POST", "/api/tenant/users", { bearer: api_key, json })).status, 201)
    }

    using balancer = new Balancer(services.map(({ url }) => ({ url })))
    const failures: Array<string> = []
    const closes = new Set<string>()
    let requests = 0
    let done = false

    const ask = async (what: string, status: number, answer: ReturnType<typeof call>) => {
      requests++
      const got = await answer.catch((error: Error) => ({
        status: 0,
        text: `${error} ${error.cause}`,
        body: undefined
      }))
      if (got.status !== status) failures.push(`${what}: ${got.status} ${got.text}`)
      return got.body
    }

    const work = async (n: number) => {
      // Signs in more often than a user may be signed in, so not as the one whose session is to live.
      const username = `guest ${n}`
      let pair = await signIn(balancer.pick(), api_key, `user ${n}`)
      while (!done) {
        await ask("me", 200, me(balancer.pick(), pair.token))
        const next = await ask("refresh", 200, refresh(balancer.pick(), pair.refresh_token))
        if (next !== undefined) pair = next
        await ask("auto", 200, call(balancer.pick(), "POST", "/api/auth/auto", { bearer: api_key, json: { username } }))
        await ask(
          "login",
          200,
          call(balancer.pick(), "POST", "/api/auth/token", { json: { app_id, username, password } })
        )
      }
      return pair
    }

    /** A client that comes back after 1012, and tries again after 503: an instance that stops takes no new socket. */
    const listen = async (n: number) => {
      const { token } = await signIn(balancer.pick(), api_key, `listener ${n}`)
      let opened = 0
      while (!done) {
        const socket = await openSocket(balancer.pick(), token).catch((error: Error) => {
          if (!error.message.includes("503")) failures.push(`socket: ${error.message}`)
        })
        if (socket === undefined) {
          await setTimeout(100)
          continue
        }
        opened++
        const closed = await Promise.race([socket.closed, until(() => done)])
        if (closed === undefined) return socket.terminate(), opened
        closes.add(`${closed.code} ${closed.reason}`)
        await setTimeout(Math.random() * 300)
      }
      return opened
    }

    const working = Array.from({ length: workers }, (_, n) => work(n))
    const listening = Array.from({ length: workers }, (_, n) => listen(n))
    for (const [n, port] of ports.entries()) {
      assert.deepEqual(await services[n]!.signal("SIGTERM"), { code: 0, signal: null })
      services[n] = stack.use(await startOn(port))
      await poll(services[n]!, "/ready", 200)
      // The balancer has to see it too before the other one goes.
      await setTimeout(500)
    }
    done = true
    const pairs = await Promise.all(working)
    const opened = await Promise.all(listening)

    assert.deepEqual(failures, [])
    assert.isAbove(requests, 100)
    assert.deepEqual([...closes], ["1012 restarting"])
    assert.isAbove(opened.reduce((sum, count) => sum + count, 0), workers)
    for (const { token } of pairs) assert.strictEqual((await me(services[1]!, token)).status, 200)
  })

  it("gives every member of a voice room its room back, and who is in it", async (context) => {
    needsPostgres(context)
    await using database = await freshDatabase()
    const startOn = (port: number) =>
      start({
        DATABASE_URL: database.url,
        ROOMKEY_ADMIN_KEY: adminKey,
        PORT: String(port),
        SHUTDOWN_DELAY: "1 seconds"
      })
    const ports = [await freePort(), await freePort()] as const
    await using stack = new AsyncDisposableStack()
    const services: Array<Service> = []
    for (const port of ports) services.push(stack.use(await startOn(port)))
    const { api_key } = await makeTenant(services[0]!)
    using balancer = new Balancer(services.map(({ url }) => ({ url })))
    await using front = await Front.of(balancer)

    const { token } = await signIn(services[0]!, api_key, "host")
    const made = await call(services[0]!, "POST", "/api/channels", { bearer: token, json: { name: "Lobby" } })
    const names = Array.from({ length: 12 }, (_, n) => `member ${n}`)
    const closes: Array<number> = []
    const members = await Promise.all(names.map(async (name) => {
      const auth = createAuth({ baseUrl: front.url, storage: memoryStorage() })
      await auth.adopt(await signIn(front, api_key, name))
      const realtime = createRealtime(auth)
      realtime.on("closed", ({ code }) => closes.push(code))
      await realtime.connect()
      await realtime.join(made.body.id)
      stack.defer(() => realtime.close())
      return realtime
    }))
    const everybodySeesEverybody = () =>
      eventually(20, "everybody seeing everybody", async () => {
        const here = new Set(members.map(({ connectionId }) => connectionId))
        return members.every(({ members, state }) =>
          state === "open" && members.size === names.length && [...members.keys()].every((id) => here.has(id))
        )
      })
    await everybodySeesEverybody()
    for (const [n, port] of ports.entries()) {
      assert.deepEqual(await services[n]!.signal("SIGTERM"), { code: 0, signal: null })
      services[n] = stack.use(await startOn(port))
      await everybodySeesEverybody()
    }
    assert.isAtLeast(closes.filter((code) => code === 1012).length, names.length)
    // A handshake that met an instance on its way out is not a close that a member was told of.
    assert.deepEqual(closes.filter((code) => code !== 1012 && code !== 1006), [])
  })
})

/** One address for all instances that are in rotation. */
class Front implements AsyncDisposable {
  readonly #server: Server
  readonly url: string

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async of(balancer: Balancer): Promise<Front> {
    const server = createServer((near) => {
      const far = connect(Number(new URL(balancer.pick().url).port), "127.0.0.1")
      for (const [one, other] of [[near, far], [far, near]] as const) {
        one.pipe(other).on("error", () => one.destroy())
        one.on("close", () => other.destroy())
      }
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    return new Front(server)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
  }
}

const until = async (is: () => boolean): Promise<undefined> => {
  while (!is()) await setTimeout(50)
  return undefined
}
