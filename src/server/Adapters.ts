// Every port meets its adapter here, once, as the configuration says.
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option, Redacted } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as RememberingStores from "../cache/RememberingStores.ts"
import { type RoomkeyConfig } from "../Config.ts"
import * as CommonPasswordsList from "../crypto/CommonPasswordsList.ts"
import * as IceServersHmac from "../crypto/IceServersHmac.ts"
import * as PasswordHasherArgon2 from "../crypto/PasswordHasherArgon2.ts"
import * as TokenCodecNode from "../crypto/TokenCodecNode.ts"
import { PasswordPolicy } from "../domain/Password.ts"
import { RateLimitPolicy } from "../domain/RateLimit.ts"
import { RetentionPolicy } from "../domain/Retention.ts"
import { SessionPolicy } from "../domain/Session.ts"
import * as EventBusPg from "../postgres/EventBusPg.ts"
import type { DataDirectoryInUse, DataDirectoryTooLong } from "../postgres/Pglite.ts"
import * as Notifications from "../postgres/Notifications.ts"
import * as Postgres from "../postgres/Postgres.ts"
import { startupParameters } from "../postgres/Query.ts"
import * as RoomBusPg from "../postgres/RoomBusPg.ts"
import { watchedSocket } from "../postgres/WatchedSocket.ts"
import * as AdminKeyFile from "./AdminKeyFile.ts"
import * as LifecycleRef from "./LifecycleRef.ts"

/** Longer than any statement of a request may take, so that only the forgotten are given up. */
const silence = 10_000

/** Many statements on one connection at a time. Under Deno a transaction on a shared connection may never get its turn. */
const sharesConnections = !("Deno" in globalThis)

/** Where the URL says that the server listens on TCP, if it does. */
const addressIn = (url: Redacted.Redacted) => {
  const parsed = URL.parse(Redacted.value(url))
  if (parsed === null || parsed.hostname === "") return undefined
  return { host: parsed.hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(parsed.port || 5432) }
}

/** A PostgreSQL server, by at most `connections` connections, those that listen included. */
export const postgres = (url: Redacted.Redacted, connections: number) => {
  const address = addressIn(url)
  const client = PgClient.layer({
    url,
    applicationName: "roomkey",
    ...(address === undefined ? {} : { stream: () => watchedSocket(address, { silence }) }),
    multiplex: sharesConnections,
    minConnections: 0,
    maxConnections: connections - Notifications.channels.length,
    startupParameters,
    connectTimeout: "3 seconds"
  })
  return Layer.provideMerge(Notifications.layer, client)
}

export const database = (
  config: RoomkeyConfig
): Layer.Layer<
  PgClient.PgClient | SqlClient | Notifications.Notifications,
  DataDirectoryInUse | DataDirectoryTooLong | SqlError
> =>
  Option.match(config.databaseUrl, {
    // Loaded when it is wanted: a start on a server does without.
    onNone: () =>
      Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("../postgres/Pglite.ts")),
          (Pglite) => Pglite.layer({ dataDir: `${config.dataDir}/data` })
        )
      ),
    onSome: (url) => postgres(url, config.databaseConnections)
  })

/** What is kept in the database, and a memory of what was read of it. */
const stores = RememberingStores.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Postgres.layer, EventBusPg.layer, RoomBusPg.layer))
)

/** Every port, over a database that is still to be provided. */
export const layer = (config: RoomkeyConfig) =>
  Layer.mergeAll(
    stores,
    CommonPasswordsList.layer,
    TokenCodecNode.layer,
    PasswordHasherArgon2.layer,
    IceServersHmac.layer(config),
    AdminKeyFile.layer(config),
    LifecycleRef.layer
  ).pipe(Layer.provideMerge(policies(config)))

/** What flows and adapters read as references. */
const policies = (config: RoomkeyConfig) =>
  Layer.mergeAll(
    Layer.succeed(SessionPolicy, {
      accessTtl: config.accessTtl,
      refreshTtl: config.refreshTtl,
      sessionTtl: config.sessionTtl,
      refreshGrace: config.refreshGrace,
      maxPerUser: config.maxSessionsPerUser
    }),
    Layer.effect(
      RateLimitPolicy,
      Effect.map(RateLimitPolicy, (byDefault) => ({
        login_account: { ...byDefault.login_account, limit: config.limitLoginAccount },
        login_address: { ...byDefault.login_address, limit: config.limitLoginAddress },
        refresh_failure: { ...byDefault.refresh_failure, limit: config.limitRefreshFailures },
        registration: { ...byDefault.registration, limit: config.limitRegistrations },
        channel: { ...byDefault.channel, limit: config.limitChannels },
        auto_auth: { ...byDefault.auto_auth, limit: config.limitAutoAuth }
      }))
    ),
    Layer.succeed(RetentionPolicy, { sessions: config.sessionRetention, events: config.eventRetention }),
    Layer.succeed(PasswordPolicy, { minLength: config.passwordMinLength }),
    Layer.effect(
      PasswordHasherArgon2.Argon2Options,
      Effect.map(PasswordHasherArgon2.Argon2Options, (byDefault) => ({
        memoryKiB: config.argon2MemoryKiB,
        iterations: config.argon2Iterations,
        parallelism: config.argon2Parallelism,
        concurrency: Option.getOrElse(config.hashConcurrency, () => byDefault.concurrency),
        queue: config.hashQueue,
        niceness: Option.getOrElse(config.hashNiceness, () => byDefault.niceness)
      }))
    )
  )
