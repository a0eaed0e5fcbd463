// What a run measures on: one PostgreSQL, and each subject started when a work first asks for it and kept until the end,
// with users and sessions of its own. A subject that does not start fails the rows that wanted it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { denoCommand } from "../e2e/support/Process.ts"
import { type Call, Load, request } from "./Load.ts"
import { Postgres } from "./Postgres.ts"
import { alternate, type Case, LeftOut, messageOf, type Row } from "./Report.ts"
import { installPeers } from "./subjects/Peers.ts"
import {
  makeTenant,
  type Runtime,
  type Session,
  signInAll,
  signInRequests,
  startRoomkey,
  type Tenant
} from "./subjects/Roomkey.ts"
import { type Server, startModule } from "./subjects/Server.ts"

export interface Options {
  readonly smoke: boolean
  readonly rounds: number
  readonly seconds: number
  readonly databaseUrl: string | undefined
  /** A folder where they are installed, none at all, or `undefined`: installed for this run. */
  readonly peers: string | false | undefined
  /** Whether Roomkey is measured on Deno too. */
  readonly deno: boolean
  /** Whether the load interrupts nobody who is running. */
  readonly loadGivesWay: boolean
  readonly growthUsers: number
  readonly growthSessions: number
}

/** What a primed server has of users and sessions. */
export interface Subject {
  readonly server: Server
  readonly sessions: ReadonlyArray<Session>
  /** As each refresh left them. Of other sessions than those whose token a read presents. */
  refreshTokens: ReadonlyArray<string>
}

/**
 * Users and their first sessions, by what is done with them: a sign-in may end a user's oldest session, and a refresh ends
 * the token that a read would present. The first quarter is read, the second refreshed, and the rest signed in again.
 */
export const readersOf = <A>(sessions: ReadonlyArray<A>): ReadonlyArray<A> => sessions.slice(0, sessions.length / 4)

const refreshTokensOf = (sessions: ReadonlyArray<Session>): ReadonlyArray<string> =>
  sessions.slice(sessions.length / 4, sessions.length / 2).map((session) => session.refresh_token)

export interface RoomkeySubject extends Subject {
  readonly tenant: Tenant
  readonly database: string | undefined
}

export const password = "correct horse battery"

/**
 * Accounts with a password: so many that no user comes to the limit of sessions within a run, when each login would have
 * to end an older one.
 */
export const accounts = 1024

/** Those of Better Auth, which hashes the password of each. */
export const signedUp = 32

/** What Roomkey keeps of a password. */
const hashed = async (): Promise<string> => {
  const { hash } = await import("@node-rs/argon2")
  return hash(password, { memoryCost: 19_456, timeCost: 2, parallelism: 1 })
}

export const roomkeyName = (runtime: Runtime, embedded: boolean): string =>
  `Roomkey, ${runtime === "node" ? "Node" : "Deno"}, ${embedded ? "embedded" : "PostgreSQL"}`

export const onNode = roomkeyName("node", false)

interface Variant {
  readonly runtime: Runtime
  readonly embedded: boolean
  readonly name: string
}

const variants: ReadonlyArray<Variant> = (["node", "deno"] as const).flatMap((runtime) =>
  [false, true].map((embedded) => ({ runtime, embedded, name: roomkeyName(runtime, embedded) }))
)

/**
 * The runtime's own pool has four threads. Where there are fewer processors, each piece of work goes to the thread that has
 * slept longest, on a processor that may be taken while another has nothing to do.
 */
export const threadEach = { UV_THREADPOOL_SIZE: String(availableParallelism()) }

/** V8 is still compiling a refresh, which then costs half as much again, for some seconds of load. */
const warmUpSeconds = 6

export class Bench implements AsyncDisposable {
  readonly options: Options
  readonly users: number
  /** Of Roomkey. To see that it runs, each runtime and each database once will do. */
  readonly variants: ReadonlyArray<Variant>
  readonly load: Load
  readonly dir = mkdtempSync(join(tmpdir(), "roomkey-bench-"))
  readonly #started = new Map<string, Promise<unknown>>()
  readonly #stack = new AsyncDisposableStack()
  readonly #log: (text: string) => void

  constructor(options: Options, log: (text: string) => void) {
    this.options = options
    this.users = options.smoke ? 64 : 2048
    this.variants = variants.filter(({ embedded, runtime }) =>
      (options.deno || runtime === "node") && (!options.smoke || embedded === (runtime === "deno"))
    )
    this.#log = log
    this.load = new Load({ givesWay: options.loadGivesWay })
    this.#stack.defer(() => rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 }))
    this.#stack.use(this.load)
  }

  log(text: string): void {
    this.#log(text)
  }

  /** Every case once to warm it, unless the figures do not matter, and then `rounds` times. */
  rounds(cases: ReadonlyArray<Case>): Promise<ReadonlyArray<Row>> {
    return this.slices(1, cases)
  }

  /** `rounds`, but so many times as many and as much shorter: the sides of a ratio are measured closer to each other. */
  slices(number: number, cases: ReadonlyArray<Case>, warmUp = warmUpSeconds): Promise<ReadonlyArray<Row>> {
    const { rounds, seconds, smoke } = this.options
    return smoke ? alternate(rounds, cases, seconds, 0) : alternate(rounds * number, cases, seconds / number, warmUp)
  }

  /** `rounds` for cases that start a process of their own: a start for each, and nothing to warm. */
  starts(cases: ReadonlyArray<Case>): Promise<ReadonlyArray<Row>> {
    return alternate(this.options.rounds, cases, 0, 0)
  }

  #once<A>(name: string, start: () => Promise<A>): Promise<A> {
    const started = this.#started.get(name) as Promise<A> | undefined
    if (started !== undefined) return started
    this.#log(`starting ${name}`)
    const starting = start()
    this.#started.set(name, starting)
    starting.catch((error: unknown) => {
      if (!(error instanceof LeftOut)) this.#log(`${name}: ${messageOf(error)}`)
    })
    return starting
  }

  /** Started one after the other; whoever wants one that failed hears why. */
  async ready(...subjects: ReadonlyArray<() => Promise<unknown>>): Promise<void> {
    for (const subject of subjects) await subject().catch(() => undefined)
  }

  /** Goes when the run ends, in the order of a stack. */
  keep<A extends AsyncDisposable | Disposable>(resource: A): A {
    return this.#stack.use(resource)
  }

  /** A file of JSON for a subject to read. */
  file(name: string, content: unknown): string {
    const path = join(this.dir, name)
    writeFileSync(path, JSON.stringify(content))
    return path
  }

  readonly postgres = (): Promise<Postgres> =>
    this.#once(
      "PostgreSQL",
      async () => this.keep(await Postgres.start(this.options.databaseUrl, this.options.loadGivesWay))
    )

  /** A database with Roomkey's schema, users and sessions, and nobody connected to it. */
  readonly ceilingDatabase = () =>
    this.#once("the database for pgbench", async () => {
      const postgres = await this.postgres()
      const name = await postgres.createDatabase("pgbench")
      const server = await startRoomkey({
        runtime: "node",
        dataDir: join(this.dir, "none"),
        database: { postgres, name }
      })
      const tenant = await makeTenant(this.load, server)
      await signInAll(this.load, server, tenant.api_key, this.users)
      await server[Symbol.asyncDispose]()
      await postgres.settle(name)
      return { name, tenant }
    })

  readonly roomkey = (runtime: Runtime, embedded: boolean): Promise<RoomkeySubject> =>
    this.#once(roomkeyName(runtime, embedded), async () => {
      const postgres = embedded ? undefined : await this.postgres()
      const name = await postgres?.createDatabase(runtime)
      const server = this.keep(
        await startRoomkey({
          runtime,
          dataDir: join(this.dir, `${runtime}-data`),
          database: postgres === undefined || name === undefined ? undefined : { postgres, name }
        })
      )
      const tenant = await makeTenant(this.load, server)
      const sessions = await signInAll(this.load, server, tenant.api_key, this.users)
      const password_hash = await hashed()
      const createAccounts = Array.from(
        { length: accounts },
        (_, n) => request("POST", "/api/tenant/users", tenant.api_key, { username: `account${n}`, password_hash })
      )
      await this.load.each(server, createAccounts, 201)
      if (postgres !== undefined && name !== undefined) await postgres.settle(name)
      return { server, tenant, sessions, database: name, refreshTokens: refreshTokensOf(sessions) }
    })

  /** Whichever there is, on Node. */
  readonly anyRoomkey = (): Promise<RoomkeySubject> =>
    this.roomkey("node", false).catch(() => this.roomkey("node", true))

  readonly nodeHttp = (): Promise<Subject> =>
    this.#once("bare node:http", async () => {
      const { server, sessions } = await this.anyRoomkey()
      const answer = await fetch(`${server.url}/api/me`, { headers: { authorization: `Bearer ${sessions[0]!.token}` } })
      const config = this.file("node-http.json", {
        tokens: sessions.map(({ token }) => token),
        contentType: answer.headers.get("content-type"),
        body: await answer.text()
      })
      return { server: this.keep(await startModule("./NodeHttp.ts", [config], {})), sessions, refreshTokens: [] }
    })

  readonly #argon2Config = () =>
    this.#once("a login, for node:http", async () => {
      const { server, tenant } = await this.anyRoomkey()
      const answer = await fetch(`${server.url}/api/auth/token`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ app_id: tenant.app_id, username: "account0", password })
      })
      if (!answer.ok) throw new Error(`a login was answered ${answer.status}`)
      return this.file("argon2-http.json", {
        phc: await hashed(),
        contentType: answer.headers.get("content-type"),
        body: await answer.text()
      })
    })

  readonly argon2Http = (): Promise<Server> =>
    this.#once(
      "node:http and argon2",
      async () => this.keep(await startModule("./Argon2Http.ts", [await this.#argon2Config()], threadEach))
    )

  readonly argon2Pg = (): Promise<Server> =>
    this.#once("node:http, argon2 and pg", async () => {
      const { dir } = await this.peers()
      const postgres = await this.postgres()
      const name = await postgres.createDatabase("argon2_pg")
      const env = { DATABASE_URL: postgres.urlOf(name), ...threadEach }
      const config = await this.#argon2Config()
      const server = this.keep(await startModule("./Argon2Http.ts", [config, dir], env, postgres.postmaster))
      await postgres.query(
        `insert into accounts select 'account' || n, '${await hashed()}' from generate_series(0, ${accounts - 1}) n`,
        name
      )
      await postgres.settle(name)
      return server
    })

  readonly peers = () =>
    this.#once("the peers: npm install", async () => {
      if (this.options.peers === false) throw new LeftOut()
      return this.keep(await installPeers(this.options.peers))
    })

  readonly fastify = (): Promise<Subject & { readonly tenant: Pick<Tenant, "api_key" | "app_id"> }> =>
    this.#once("Fastify + pg", async () => {
      const { dir } = await this.peers()
      const postgres = await this.postgres()
      const name = await postgres.createDatabase("fastify")
      const tenant = { api_key: `vc_${"0".repeat(64)}`, app_id: `vc_app_${"0".repeat(32)}` }
      const env = {
        DATABASE_URL: postgres.urlOf(name),
        API_KEY: tenant.api_key,
        APP_ID: tenant.app_id,
        ...threadEach
      }
      const server = this.keep(await startModule("./FastifyPg.ts", [dir], env, postgres.postmaster))
      const sessions = await signInAll(this.load, server, tenant.api_key, this.users)
      const named = Array.from({ length: accounts }, (_, n) =>
        request("POST", "/api/auth/auto", tenant.api_key, {
          username: `account${n}`
        }))
      await this.load.each(server, named)
      await postgres.query(`update users set password_hash = '${await hashed()}' where username like 'account%'`, name)
      await postgres.settle(name)
      return { server, sessions, tenant, refreshTokens: refreshTokensOf(sessions) }
    })

  readonly betterAuth = () =>
    this.#once("Better Auth", async () => {
      const { dir } = await this.peers()
      const postgres = await this.postgres()
      const name = await postgres.createDatabase("better_auth")
      const env = { DATABASE_URL: postgres.urlOf(name) }
      const server = this.keep(await startModule("./BetterAuth.ts", [dir], env, postgres.postmaster))
      const sessions = await Promise.all(Array.from({ length: signedUp }, async (_, n) => {
        const answer = await fetch(`${server.url}/api/auth/sign-up/email`, {
          method: "POST",
          // `fetch` names itself a browser, and a browser says where it comes from.
          headers: { "content-type": "application/json", origin: server.url },
          body: JSON.stringify({ email: `${n}@example.com`, name: `account${n}`, username: `account${n}`, password })
        })
        if (!answer.ok) throw new Error(`Better Auth: sign-up answered ${answer.status} ${await answer.text()}`)
        const cookie = answer.headers.getSetCookie().map((each) => each.split(";")[0]).join("; ")
        return { token: (await answer.json() as { token: string }).token, cookie }
      }))
      await postgres.settle(name)
      return { server, sessions }
    })

  /** What the socket subjects say first, so that bare `ws` says as much. */
  readonly ws = (): Promise<Subject> =>
    this.#once("bare ws", async () => {
      const { sessions } = await this.anyRoomkey()
      return { server: this.keep(await this.startWs()), sessions, refreshTokens: [] }
    })

  /** One more of bare `ws`, for whoever asked. */
  async startWs(flags: ReadonlyArray<string> = [], runtime: Runtime = "node"): Promise<Server> {
    const { server, sessions } = await this.anyRoomkey()
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/ws?token=${sessions[0]!.token}`)
    const ready = await new Promise<string>((resolve, reject) => {
      socket.onmessage = ({ data }) => resolve(String(data))
      socket.onerror = () => reject(new Error("no socket"))
    })
    socket.close()
    const config = this.file("ws.json", { tokens: sessions.map(({ token }) => token), ready: JSON.parse(ready) })
    const command = runtime === "node"
      ? [process.execPath, ...flags]
      : [denoCommand(this.dir)[0]!, "run", ...flags, "--allow-all"]
    return startModule("./Ws.ts", [config], {}, undefined, command)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

export const meCall = (sessions: ReadonlyArray<{ readonly token: string }>): Call => ({
  requests: readersOf(sessions).map(({ token }) => request("GET", "/api/me", token)),
  status: 200
})

let newcomers = 0

/** Users whom nobody has seen, for so many seconds. */
export const newUsersCall = (apiKey: string, seconds: number): Call => ({
  requests: Array.from(
    { length: Math.ceil(seconds * 10_000) },
    () => request("POST", "/api/auth/auto", apiKey, { username: `newcomer${newcomers++}` })
  ),
  status: 200
})

export const signInCall = (apiKey: string, users: number): Call => ({
  requests: signInRequests(apiKey, users).slice(users / 2),
  status: 200
})
