// Tenants in PostgreSQL.
import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option, Schema } from "effect"
import { AppId, TenantId } from "../domain/Ids.ts"
import type { Tenant } from "../domain/Tenant.ts"
import { TenantRepository } from "../services/TenantRepository.ts"
import { attempt, rows } from "./Query.ts"

const tenantColumns = `id::float8 as id, name, app_id, suspended_at is not null as suspended,
  (extract(epoch from created_at) * 1000)::float8 as created_at`

const TenantRow = Schema.Struct({
  id: TenantId,
  name: Schema.String,
  app_id: AppId,
  suspended: Schema.Boolean,
  created_at: Schema.Finite
})

const toTenant = (row: typeof TenantRow.Type): Tenant => ({
  id: row.id,
  name: row.name,
  appId: row.app_id,
  suspended: row.suspended,
  createdAt: Math.floor(row.created_at)
})

const createStatement = `
with created as (
  insert into tenants (name, app_id) values ($1::text, $2::text) returning *
), key as (
  insert into api_keys (id, tenant_id, digest) select $3::uuid, id, $4::bytea from created
)
select ${tenantColumns} from created`

export const layer: Layer.Layer<TenantRepository, never, PgClient> = Layer.effect(
  TenantRepository,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const tenantRows = rows(TenantRow)
    const lengthRows = rows(Schema.Struct({ password_min_length: Schema.NullOr(Schema.Int) }))

    return TenantRepository.of({
      create: Effect.fnUntraced(function* (name, appId, key) {
        const [row] = yield* attempt(
          "createTenant",
          sql.unsafe(createStatement, [name, appId, key.id, key.digest]).pipe(Effect.flatMap(tenantRows))
        )
        return row === undefined ? yield* Effect.die("createTenant: no row") : toTenant(row)
      }),
      list: attempt(
        "listTenants",
        sql.unsafe(`select ${tenantColumns} from tenants order by id`).pipe(Effect.flatMap(tenantRows))
      ).pipe(Effect.map((found) => found.map(toTenant))),
      passwordMinLength: (tenantId) =>
        attempt(
          "passwordMinLength",
          sql`select password_min_length from tenants where id = ${tenantId}`.pipe(Effect.flatMap(lengthRows))
        ).pipe(Effect.map((found) => Option.fromNullishOr(found[0]?.password_min_length)))
    })
  })
)
