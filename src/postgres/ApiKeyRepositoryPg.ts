// API keys in PostgreSQL. A key's id, tenant and digest never change, so those are remembered; its standing is asked.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Cache, Clock, Duration, Effect, Exit, Layer, Option, Schema } from "effect"
import { type ApiKeyInfo, ApiKeyNotFound, LastApiKey, maxApiKeys, TooManyApiKeys } from "../domain/ApiKey.ts"
import { ApiKeyId, TenantId } from "../domain/Ids.ts"
import { ApiKeyRepository } from "../services/ApiKeyRepository.ts"
import { Queries, rows } from "./Query.ts"

const KeyRow = Schema.Struct({ id: ApiKeyId, tenant_id: TenantId, digest: Schema.Uint8Array })

const InfoRow = Schema.Struct({
  id: ApiKeyId,
  label: Schema.NullOr(Schema.String),
  created_at: Schema.Finite,
  expires_at: Schema.NullOr(Schema.Finite),
  last_used_at: Schema.NullOr(Schema.Finite)
})

const infoColumns = `id, label, (extract(epoch from created_at) * 1000)::float8 as created_at,
  (extract(epoch from expires_at) * 1000)::float8 as expires_at,
  (extract(epoch from last_used_at) * 1000)::float8 as last_used_at`

const toInfo = (row: typeof InfoRow.Type): ApiKeyInfo => ({
  id: row.id,
  label: row.label,
  createdAt: Math.floor(row.created_at),
  expiresAt: row.expires_at === null ? null : Math.floor(row.expires_at),
  lastUsedAt: row.last_used_at === null ? null : Math.floor(row.last_used_at)
})

const works = "revoked_at is null and (expires_at is null or expires_at > now())"

const listStatement =
  `select ${infoColumns} from api_keys where tenant_id = $1 and revoked_at is null order by created_at, id`

const createStatement = `
insert into api_keys (id, tenant_id, digest, label, expires_at)
select $1::uuid, $2::bigint, $3::bytea, $4::text, now() + make_interval(secs => $5::float8)
where (select count(*) from api_keys where tenant_id = $2 and ${works}) < ${maxApiKeys}
returning ${infoColumns}`

/** Holds the tenant's row, so that of two calls that would leave no key one sees the other. */
const lockTenantStatement = "select id::text as id from tenants where id = $1 for update"

const revokeStatement = `
with key as (
  select id, ${works} as works from api_keys where id = $2::uuid and tenant_id = $1::bigint and revoked_at is null
), others as (
  select count(*) as count from api_keys where tenant_id = $1 and id <> $2 and ${works}
), revoked as (
  update api_keys set revoked_at = now() from key, others
  where api_keys.id = key.id and ($3::boolean or not key.works or others.count > 0)
  returning api_keys.id
)
select exists (select from key) as found, exists (select from revoked) as revoked`

const RevokeRow = Schema.Struct({ found: Schema.Boolean, revoked: Schema.Boolean })

/** How old "last used" may be. */
const lastUsedEvery = Duration.minutes(1)

const StandingRow = Schema.Struct({ good: Schema.Boolean, suspended: Schema.Boolean })

export const layer: Layer.Layer<ApiKeyRepository, never, PgClient> = Layer.effect(
  ApiKeyRepository,
  Effect.gen(function* () {
    const { apart, attempt, sql } = yield* Queries
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

    const infoRows = rows(InfoRow)
    const revokeRows = rows(RevokeRow)
    const scope = yield* Effect.scope
    const lastMarked = new Map<ApiKeyId, number>()

    /** Beside the request, and forgotten if it fails: nobody waits for a statistic. */
    const markUsed = Effect.fnUntraced(function* (id: ApiKeyId) {
      const now = yield* Clock.currentTimeMillis
      if (now - (lastMarked.get(id) ?? -Infinity) < Duration.toMillis(lastUsedEvery)) return
      lastMarked.set(id, now)
      yield* attempt("markApiKeyUsed", sql`update api_keys set last_used_at = now() where id = ${id}`).pipe(
        Effect.ignore,
        Effect.forkIn(scope)
      )
    })

    return ApiKeyRepository.of({
      find: (id) => Cache.get(keys, id),
      markUsed,
      list: (tenantId) =>
        attempt("listApiKeys", sql.unsafe(listStatement, [tenantId]).pipe(Effect.flatMap(infoRows))).pipe(
          Effect.map((found) => found.map(toInfo))
        ),
      create: Effect.fnUntraced(function* (tenantId, key, { expiresIn, label }) {
        const [row] = yield* attempt(
          "createApiKey",
          sql.unsafe(createStatement, [key.id, tenantId, key.digest, label, expiresIn]).pipe(Effect.flatMap(infoRows))
        )
        return row === undefined ? yield* new TooManyApiKeys() : toInfo(row)
      }),
      revoke: Effect.fnUntraced(function* (tenantId, id, { force }) {
        const [row] = yield* attempt(
          "revokeApiKey",
          apart(
            sql.unsafe(lockTenantStatement, [tenantId]).pipe(
              Effect.andThen(sql.unsafe(revokeStatement, [tenantId, id, force])),
              Effect.flatMap(revokeRows)
            )
          )
        )
        if (row === undefined || !row.found) return yield* new ApiKeyNotFound()
        if (!row.revoked) return yield* new LastApiKey()
      }),
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
).pipe(Layer.provide(Queries.layer))
