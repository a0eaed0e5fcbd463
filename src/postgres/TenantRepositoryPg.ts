// Tenants in PostgreSQL.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option, Schema } from "effect"
import type { Row } from "effect/sql/SqlConnection"
import type { Statement } from "effect/sql/Statement"
import { AppId, TenantId } from "../domain/Ids.ts"
import type { Tenant } from "../domain/Tenant.ts"
import { TenantRepository } from "../services/TenantRepository.ts"
import { Queries, rows } from "./Query.ts"

const tenantColumns = `id::float8 as id, name, app_id, suspended_at is not null as suspended,
  (extract(epoch from created_at) * 1000)::float8 as created_at,
  registration_enabled, allowed_origins, password_min_length, query_tokens`

const TenantRow = Schema.Struct({
  id: TenantId,
  name: Schema.String,
  app_id: AppId,
  suspended: Schema.Boolean,
  created_at: Schema.Finite,
  registration_enabled: Schema.Boolean,
  allowed_origins: Schema.Array(Schema.String),
  password_min_length: Schema.NullOr(Schema.Int),
  query_tokens: Schema.Boolean
})

const toTenant = (row: typeof TenantRow.Type): Tenant => ({
  id: row.id,
  name: row.name,
  appId: row.app_id,
  suspended: row.suspended,
  createdAt: Math.floor(row.created_at),
  settings: {
    registrationEnabled: row.registration_enabled,
    allowedOrigins: row.allowed_origins,
    passwordMinLength: row.password_min_length,
    queryTokens: row.query_tokens
  }
})

const createStatement = `
with created as (
  insert into tenants (name, app_id) values ($1::text, $2::text) returning *
), key as (
  insert into api_keys (id, tenant_id, digest) select $3::uuid, id, $4::bytea from created
)
select ${tenantColumns} from created`

/** `null` leaves a column as it is; the length, which may become null, has a flag beside it. */
const updateStatement = `
with changed as (
  update tenants set
    name = coalesce($2::text, name),
    suspended_at = case when $3::boolean is null then suspended_at when $3 then coalesce(suspended_at, now()) end,
    registration_enabled = coalesce($4::boolean, registration_enabled),
    allowed_origins = coalesce($5::text[], allowed_origins),
    password_min_length = case when $6::boolean then $7::integer else password_min_length end,
    query_tokens = coalesce($8::boolean, query_tokens)
  where id = $1::bigint and deleted_at is null
  returning *
), told as (
  select pg_notify('roomkey', case when $3 is null then 'tenant ' || id else 'recheck' end) from changed
  where $3 is not null or $5 is not null or $8 is not null
)
select ${tenantColumns} from changed left join told on true`

/** From here on nothing of the tenant is found or let in, however much there is of it to remove (`Sweeps.ts`). */
const removeStatement = `
with removed as (
  update tenants set deleted_at = now(), suspended_at = coalesce(suspended_at, now())
  where id = $1::bigint and deleted_at is null
  returning id
), keys as (
  delete from api_keys k using removed where k.tenant_id = removed.id
)
select pg_notify('roomkey', 'recheck')::text as told from removed`

export const layer: Layer.Layer<TenantRepository, never, PgClient> = Layer.effect(
  TenantRepository,
  Effect.gen(function* () {
    const { attempt, sql } = yield* Queries
    const tenantRows = rows(TenantRow)
    const lengthRows = rows(Schema.Struct({ password_min_length: Schema.NullOr(Schema.Int) }))

    const one = (operation: string, statement: Statement<Row>) =>
      attempt(operation, Effect.flatMap(statement, tenantRows)).pipe(
        Effect.map((found) => Option.map(Option.fromUndefinedOr(found[0]), toTenant))
      )

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
        sql.unsafe(`select ${tenantColumns} from tenants where deleted_at is null order by tenants.id`).pipe(
          Effect.flatMap(tenantRows)
        )
      ).pipe(Effect.map((found) => found.map(toTenant))),
      find: (tenantId) =>
        one(
          "findTenant",
          sql.unsafe(`select ${tenantColumns} from tenants where id = $1 and deleted_at is null`, [tenantId])
        ),
      findByAppId: (appId) =>
        one(
          "findTenantByAppId",
          sql.unsafe(`select ${tenantColumns} from tenants where app_id = $1 and deleted_at is null`, [appId])
        ),
      update: (tenantId, change) =>
        one(
          "updateTenant",
          sql.unsafe(updateStatement, [
            tenantId,
            change.name ?? null,
            change.suspended ?? null,
            change.registrationEnabled ?? null,
            change.allowedOrigins ?? null,
            change.passwordMinLength !== undefined,
            change.passwordMinLength ?? null,
            change.queryTokens ?? null
          ])
        ),
      remove: (tenantId) =>
        attempt("removeTenant", sql.unsafe(removeStatement, [tenantId])).pipe(Effect.map((gone) => gone.length > 0)),
      passwordMinLength: (tenantId) =>
        attempt(
          "passwordMinLength",
          sql`select password_min_length from tenants where id = ${tenantId}`.pipe(Effect.flatMap(lengthRows))
        ).pipe(Effect.map((found) => Option.fromNullishOr(found[0]?.password_min_length)))
    })
  })
).pipe(Layer.provide(Queries.layer))
