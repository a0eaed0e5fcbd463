// Users in PostgreSQL. Every statement names the tenant, so that an id of another tenant finds nothing.
import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option, Schema } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { SessionId, TenantId, UserId } from "../domain/Ids.ts"
import { CustomIdTaken, Metadata, UsernameTaken, UserNotFound } from "../domain/User.ts"
import { type LoginRecord, type UserRecord, UserRepository } from "../services/UserRepository.ts"
import { attempt, rows, uniqueViolation } from "./Query.ts"

export const findForLoginStatement = `
select t.id::float8 as tenant_id, t.suspended_at is not null as tenant_suspended,
  u.id::float8 as user_id, u.banned_at is not null as banned, u.password_hash
from tenants t join users u on u.tenant_id = t.id
where t.app_id = $1 and u.username = $2`

const LoginRow = Schema.Struct({
  tenant_id: TenantId,
  tenant_suspended: Schema.Boolean,
  user_id: UserId,
  banned: Schema.Boolean,
  password_hash: Schema.NullOr(Schema.String)
})

const toLogin = (row: typeof LoginRow.Type): LoginRecord => ({
  tenantId: row.tenant_id,
  tenantSuspended: row.tenant_suspended,
  userId: row.user_id,
  userBanned: row.banned,
  passwordHash: row.password_hash
})

const userColumns = `id::float8 as id, username, custom_id, picture_url, metadata,
  banned_at is not null as banned, password_hash is not null as has_password,
  (extract(epoch from created_at) * 1000)::float8 as created_at`

const UserRow = Schema.Struct({
  id: UserId,
  username: Schema.String,
  custom_id: Schema.NullOr(Schema.String),
  picture_url: Schema.NullOr(Schema.String),
  metadata: Schema.NullOr(Metadata),
  banned: Schema.Boolean,
  has_password: Schema.Boolean,
  created_at: Schema.Finite
})

const toUser = (row: typeof UserRow.Type): UserRecord => ({
  id: row.id,
  username: row.username,
  customId: row.custom_id,
  pictureUrl: row.picture_url,
  metadata: row.metadata,
  banned: row.banned,
  hasPassword: row.has_password,
  createdAt: Math.floor(row.created_at)
})

const findStatement = `select ${userColumns} from users where tenant_id = $1 and id = $2`

/** What is taken is looked for before the insert: a conflict would burn an id. The constraints settle true races. */
const createStatement = `
with same_name as (
  select from users where tenant_id = $1::bigint and username = $2::text
), same_custom_id as (
  select from users where tenant_id = $1 and custom_id = $3::text
), created as (
  insert into users (tenant_id, username, custom_id, picture_url, metadata, password_hash)
  select $1, $2, $3, $4::text, $5::jsonb, $6::text
  where not exists (select from same_name) and not exists (select from same_custom_id)
  returning ${userColumns}
)
select exists (select from same_name) as name_taken, exists (select from same_custom_id) as custom_id_taken,
  (select to_jsonb(created) from created) as created`

const CreateRow = Schema.Struct({
  name_taken: Schema.Boolean,
  custom_id_taken: Schema.Boolean,
  created: Schema.NullOr(UserRow)
})

const listStatement = `
select ${userColumns} from users
where tenant_id = $1 and id > $2
  and ($4::text is null or strpos(lower(username), lower($4)) > 0 or strpos(lower(custom_id), lower($4)) > 0)
order by id limit $3`

/** Takes the lock that sign-ins take: none that saw the old password gets through once this has committed. */
const lockUserStatement = `select pg_advisory_xact_lock(1, hashint8($1::bigint))::text as locked`

const setPasswordStatement = `
with changed as (
  update users set password_hash = $3::text where tenant_id = $1::bigint and id = $2::bigint returning id
), ended as (
  update sessions s set ended_at = now(), end_reason = 'password_changed'
  from changed where s.user_id = changed.id and s.ended_at is null
  returning s.id
), told as (
  select id, pg_notify('roomkey', 'ended password_changed ' || id) from ended
)
select changed.id::float8 as user_id, coalesce((select array_agg(id) from told), '{}') as ended from changed`

const SetPasswordRow = Schema.Struct({ user_id: UserId, ended: Schema.Array(SessionId) })

const taken = (error: SqlError): UsernameTaken | CustomIdTaken | undefined => {
  switch (uniqueViolation(error)) {
    case "users_username":
      return new UsernameTaken()
    case "users_custom_id":
      return new CustomIdTaken()
  }
}

export const layer: Layer.Layer<UserRepository, never, PgClient> = Layer.effect(
  UserRepository,
  Effect.gen(function* () {
    const sql = yield* PgClient
    const loginRows = rows(LoginRow)
    const userRows = rows(UserRow)
    const createRows = rows(CreateRow)
    const setPasswordRows = rows(SetPasswordRow)

    return UserRepository.of({
      findForLogin: (appId, username) =>
        attempt("findForLogin", sql.unsafe(findForLoginStatement, [appId, username]).pipe(Effect.flatMap(loginRows)))
          .pipe(Effect.map((found) => Option.map(Option.fromUndefinedOr(found[0]), toLogin))),
      find: (tenantId, userId) =>
        attempt("findUser", sql.unsafe(findStatement, [tenantId, userId]).pipe(Effect.flatMap(userRows))).pipe(
          Effect.map((found) => Option.map(Option.fromUndefinedOr(found[0]), toUser))
        ),
      create: Effect.fnUntraced(function* (tenantId, profile, passwordHash) {
        const [row] = yield* attempt(
          "createUser",
          sql.unsafe(createStatement, [
            tenantId,
            profile.username,
            profile.customId ?? null,
            profile.pictureUrl ?? null,
            profile.metadata === undefined ? null : JSON.stringify(profile.metadata),
            passwordHash
          ]).pipe(Effect.flatMap(createRows)),
          taken
        )
        if (row === undefined || row.name_taken) return yield* new UsernameTaken()
        if (row.custom_id_taken || row.created === null) return yield* new CustomIdTaken()
        return toUser(row.created)
      }),
      list: (tenantId, { after, limit, search }) =>
        attempt(
          "listUsers",
          sql.unsafe(listStatement, [tenantId, after, limit + 1, search ?? null]).pipe(Effect.flatMap(userRows))
        ).pipe(Effect.map((found) => {
          const items = found.slice(0, limit).map(toUser)
          return { items, next: found.length > limit ? items[items.length - 1]?.id ?? null : null }
        })),
      setPassword: Effect.fnUntraced(function* (tenantId, userId, passwordHash) {
        const [row] = yield* attempt(
          "setPassword",
          sql.withTransaction(
            sql.unsafe(lockUserStatement, [userId]).pipe(
              Effect.andThen(sql.unsafe(setPasswordStatement, [tenantId, userId, passwordHash])),
              Effect.flatMap(setPasswordRows)
            )
          )
        )
        if (row === undefined) return yield* new UserNotFound()
        return row.ended
      }),
      upgradePasswordHash: (userId, from, to) =>
        Effect.asVoid(attempt(
          "upgradePasswordHash",
          sql`update users set password_hash = ${to} where id = ${userId} and password_hash = ${from}`
        ))
    })
  })
)
