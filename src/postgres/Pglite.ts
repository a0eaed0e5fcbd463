// The embedded database: PostgreSQL in this process, behind the same `PgClient` as a real one. Its one connection cannot
// listen for notifications and answer statements at once, so events travel in memory here. A data directory belongs to
// one process at a time.
import { PGlite } from "@electric-sql/pglite"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Layer, Schema } from "effect"
import { mkdir, rm } from "node:fs/promises"
import { connect, createServer } from "node:net"
import { PgliteGate, PgliteStream } from "./PgliteStream.ts"

export class DataDirectoryInUse extends Schema.TaggedError<DataDirectoryInUse>()("DataDirectoryInUse", {
  dataDir: Schema.String
}) {
  override get message(): string {
    return `The data directory ${this.dataDir} is in use by another process`
  }
}

const isListening = (path: string) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect(path)
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })

const listen = (path: string) =>
  Effect.callback<ReturnType<typeof createServer>, NodeJS.ErrnoException>((resume) => {
    const server = createServer((socket) => socket.destroy())
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(path, () => {
      server.unref()
      resume(Effect.succeed(server))
    })
  })

/** The lock is a socket that its owner listens on: a process that was killed leaves one that nobody answers. */
const lock = (dataDir: string) =>
  Effect.gen(function* () {
    const path = `${dataDir}.lock`
    if (yield* isListening(path)) return yield* new DataDirectoryInUse({ dataDir })
    yield* Effect.promise(() => rm(path, { force: true }))
    return yield* Effect.acquireRelease(
      Effect.mapError(listen(path), () => new DataDirectoryInUse({ dataDir })),
      (server) => Effect.promise(() => new Promise<void>((done) => server.close(() => done())))
    )
  })

const open = (dataDir: string | undefined) =>
  Effect.gen(function* () {
    if (dataDir !== undefined) {
      yield* Effect.promise(() => mkdir(dataDir, { recursive: true, mode: 0o700 }))
      yield* lock(dataDir)
    }
    return yield* Effect.acquireRelease(
      Effect.promise(() => PGlite.create(dataDir === undefined ? "memory://" : `file://${dataDir}`)),
      (db) => Effect.promise(() => db.close())
    )
  })

/** `dataDir` is where the database lives; without one it lives in memory, for as long as the layer. */
export const layer = (options: { readonly dataDir: string | undefined }) =>
  Layer.unwrap(Effect.map(open(options.dataDir), (db) => {
    const gate = new PgliteGate(db)
    return PgClient.layer({
      stream: () => new PgliteStream(gate),
      username: "postgres",
      database: "postgres",
      multiplex: true,
      minConnections: 1,
      maxConnections: 1
    })
  }))
