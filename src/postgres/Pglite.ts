// The embedded database: PostgreSQL in this process, behind the same `PgClient` as a real one. What its one connection is
// notified of is heard on the way. A data directory belongs to one process at a time.
import { PGlite } from "@electric-sql/pglite"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, FiberSet, Layer, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, readdir, rename, rm } from "node:fs/promises"
import { connect, createServer } from "node:net"
import { dirname } from "node:path"
import { channels, Notifications } from "./Notifications.ts"
import { planning } from "./Query.ts"
import { PgliteGate, PgliteStream } from "./PgliteStream.ts"

export class DataDirectoryInUse extends Schema.TaggedError<DataDirectoryInUse>()("DataDirectoryInUse", {
  dataDir: Schema.String
}) {
  override get message(): string {
    return `The data directory ${this.dataDir} is in use by another process`
  }
}

/** What the address of a local socket may be long, on the systems that Roomkey runs on. */
const longestAddress = 103

export class DataDirectoryTooLong extends Schema.TaggedError<DataDirectoryTooLong>()("DataDirectoryTooLong", {
  dataDir: Schema.String
}) {
  override get message(): string {
    return `The path of the data directory ${this.dataDir} is too long: give a shorter one, or one relative to here`
  }
}

const isAbandoned = (path: string) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect(path)
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(false))
    })
    // Only these say that nobody is there; an owner too busy to answer is still an owner.
    socket.once("error", (error: NodeJS.ErrnoException) =>
      resume(Effect.succeed(error.code === "ECONNREFUSED" || error.code === "ENOENT")))
  })

const listen = (path: string) =>
  Effect.callback<ReturnType<typeof createServer>>((resume) => {
    const server = createServer((socket) => socket.destroy())
    server.once("error", (error) => resume(Effect.die(error)))
    server.listen(path, () => {
      server.unref()
      resume(Effect.succeed(server))
    })
  })

/**
 * Whoever wants the directory first listens on a socket of its own, then looks for others. No name is ever taken over,
 * so that two who start at once may both be refused but never both be let in; a killed process leaves a socket that
 * nobody answers.
 */
const lock = (dataDir: string) =>
  Effect.gen(function* () {
    const claims = `${dataDir}.owner`
    const own = randomBytes(4).toString("hex")
    if (Buffer.byteLength(`${claims}/${own}`) > longestAddress) return yield* new DataDirectoryTooLong({ dataDir })
    yield* Effect.promise(() => mkdir(claims, { recursive: true, mode: 0o700 }))
    yield* Effect.acquireRelease(
      listen(`${claims}/${own}`),
      (server) => Effect.promise(() => new Promise<void>((done) => server.close(() => done())))
    )
    const present = yield* Effect.promise(() => readdir(claims))
    for (const name of present) {
      if (name === own) continue
      if (!(yield* isAbandoned(`${claims}/${name}`))) return yield* new DataDirectoryInUse({ dataDir })
      yield* Effect.promise(() => rm(`${claims}/${name}`, { force: true }))
    }
    // Another who looked before this one listened has taken its socket for an abandoned one.
    const still = yield* Effect.promise(() => readdir(claims))
    if (!still.includes(own)) return yield* new DataDirectoryInUse({ dataDir })
  })

const startParams = [
  ...PGlite.defaultStartParams,
  ...Object.entries(planning).flatMap(([name, value]) => ["-c", `${name}=${value}`])
]

const database = (dataDir: string | undefined) =>
  Effect.acquireRelease(
    Effect.map(
      Effect.promise(() => PGlite.create(dataDir === undefined ? "memory://" : `file://${dataDir}`, { startParams })),
      (db) => new PgliteGate(db, channels)
    ),
    (gate) => Effect.promise(() => gate.close())
  )

/** A first start that is killed half-way must not leave half a database: it gets its name when it is complete. */
const initialize = (dataDir: string) =>
  Effect.gen(function* () {
    if (existsSync(`${dataDir}/PG_VERSION`)) return
    const unfinished = `${dataDir}.new`
    yield* Effect.promise(() => rm(unfinished, { recursive: true, force: true }))
    yield* Effect.promise(() => mkdir(unfinished, { mode: 0o700 }))
    yield* Effect.scoped(database(unfinished))
    yield* Effect.promise(() => rename(unfinished, dataDir))
  })

const open = (dataDir: string | undefined) =>
  Effect.gen(function* () {
    if (dataDir !== undefined) {
      yield* Effect.promise(() => mkdir(dirname(dataDir), { recursive: true, mode: 0o700 }))
      yield* lock(dataDir)
      yield* initialize(dataDir)
    }
    return yield* database(dataDir)
  })

/** Nothing that is committed goes unheard: it is heard before whoever committed it has an answer. */
const notifications = (gate: PgliteGate): Notifications["Service"] => ({
  hear: (channel, { onPayload }) =>
    Effect.gen(function* () {
      const run = yield* FiberSet.makeRuntime()
      yield* Effect.acquireRelease(
        Effect.sync(() => gate.attend(channel, (payload) => run(onPayload(payload)))),
        (leave) => Effect.sync(leave)
      )
      return () => gate.usable ? 0 : Infinity
    })
})

/** `dataDir` is where the database lives; without one it lives in memory, for as long as the layer. */
export const layer = (options: { readonly dataDir: string | undefined }) =>
  Layer.unwrap(Effect.map(open(options.dataDir), (gate) =>
    Layer.merge(
      PgClient.layer({
        stream: () => new PgliteStream(gate),
        username: "postgres",
        database: "postgres",
        multiplex: true,
        minConnections: 1,
        maxConnections: 1
      }),
      Layer.succeed(Notifications, notifications(gate))
    )))
