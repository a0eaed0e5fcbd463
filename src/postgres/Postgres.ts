// Every port that PostgreSQL implements, over one `PgClient` whose schema is brought up to date first.
import { make, PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Schedule } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { SqlClient } from "effect/sql/SqlClient"
import * as ApiKeyRepositoryPg from "./ApiKeyRepositoryPg.ts"
import * as AuditLogPg from "./AuditLogPg.ts"
import * as ChannelRepositoryPg from "./ChannelRepositoryPg.ts"
import * as DatabasePg from "./DatabasePg.ts"
import * as Migrations from "./Migrations.ts"
import { isUnavailable } from "./Query.ts"
import * as PresenceStorePg from "./PresenceStorePg.ts"
import * as RateLimitsPg from "./RateLimitsPg.ts"
import * as Sweeps from "./Sweeps.ts"
import * as TenantRepositoryPg from "./TenantRepositoryPg.ts"
import * as TicketStorePg from "./TicketStorePg.ts"
import * as TokenStorePg from "./TokenStorePg.ts"
import * as UserRepositoryPg from "./UserRepositoryPg.ts"

/**
 * Brings the schema up to date and says what that took. A migration may take its time: on a server it has a plain
 * connection of its own, which waits for its answer.
 */
export const migrate = Effect.scoped(
  Effect.gen(function* () {
    const sql = yield* PgClient
    const { startupParameters: _, stream: __, ...config } = sql.config
    const patient = config.url === undefined ? sql : yield* make({ ...config, multiplex: false, maxConnections: 1 })
    return yield* Effect.provideService(Migrations.run, SqlClient, patient)
  })
)

/** A database that is away at the start is waited for; one that refuses the schema is an error. */
const migrations = Layer.effectDiscard(
  migrate.pipe(
    Effect.tapError((error) =>
      Effect.logWarning("Migrations not run yet").pipe(Effect.annotateLogs({ error: error.message }))
    ),
    Effect.retry({
      while: (error) => error._tag === "SqlError" && isUnavailable(error),
      schedule: Schedule.spaced("1 second")
    })
  )
).pipe(Layer.provide(Reactivity.layer))

export const layer = Layer.mergeAll(
  ApiKeyRepositoryPg.layer,
  AuditLogPg.layer,
  ChannelRepositoryPg.layer,
  DatabasePg.layer,
  PresenceStorePg.layer,
  RateLimitsPg.layer,
  Sweeps.layer,
  TenantRepositoryPg.layer,
  TicketStorePg.layer,
  TokenStorePg.layer,
  UserRepositoryPg.layer
).pipe(Layer.provide(migrations))
