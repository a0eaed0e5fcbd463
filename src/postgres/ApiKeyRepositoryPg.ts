// API keys in PostgreSQL. A key's id, tenant and digest never change, so those are remembered; its standing is asked.
import { PgClient } from "@effect/sql-pg/PgClient"
import { Cache, Effect, Exit, Layer, Option, Schema } from "effect"
import { ApiKeyId, TenantId } from "../domain/Ids.ts"
import { ApiKeyRepository } from "../services/ApiKeyRepository.ts"
import { attempt, rows } from "./Query.ts"

const KeyRow = Schema.Struct({ id: ApiKeyId, tenant_id: TenantId, digest: Schema.Uint8Array })

const StandingRow = Schema.Struct({ good: Schema.Boolean, suspended: Schema.Boolean })

export const layer: Layer.Layer<ApiKeyRepository, never, PgClient> = Layer.effect(
  ApiKeyRepository,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const keyRows = rows(KeyRow)
    const standingRows = rows(StandingRow)

    const keys = yield* Cache.makeWith(
      (id: ApiKeyId) =>
        attempt(
          "findApiKey",
          sql`select id, tenant_id::float8 as tenant_id, digest from api_keys where id = ${id}`.pipe(
            Effect.flatMap(keyRows)
          )
        ).pipe(Effect.map((found) =>
          Option.map(Option.fromUndefinedOr(found[0]), (row) => ({
            id: row.id,
            tenantId: row.tenant_id,
            digest: row.digest
          }))
        )),
      {
        capacity: 10_000,
        // An id that nobody has now may be made later; a failure says nothing.
        timeToLive: (exit) => Exit.isSuccess(exit) && Option.isSome(exit.value) ? "1 day" : "0 millis"
      }
    )

    return ApiKeyRepository.of({
      find: (id) => Cache.get(keys, id),
      standing: (id) =>
        attempt(
          "apiKeyStanding",
          sql`select k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) as good,
            t.suspended_at is not null as suspended
          from api_keys k join tenants t on t.id = k.tenant_id where k.id = ${id}`.pipe(Effect.flatMap(standingRows))
        ).pipe(Effect.map(([row]) => {
          if (row === undefined || !row.good) return "Revoked"
          return row.suspended ? "TenantSuspended" : "Good"
        }))
    })
  })
)
