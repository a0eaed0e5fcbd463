// Users in PostgreSQL. What is asked for by a tenant is looked for in that tenant: an id of another finds nothing.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, identity, Layer, Option, Schema } from "effect"
import type { Row } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import type { Statement } from "effect/sql/Statement"
import { SessionId, TenantId, UserId } from "../domain/Ids.ts"
import { CustomIdImmutable, CustomIdTaken, Metadata, UsernameTaken, UserNotFound } from "../domain/User.ts"
import { type LoginRecord, type UserRecord, UserRepository } from "../services/UserRepository.ts"
import * as Gather from "./Gather.ts"
import { Queries, rows, uniqueViolation } from "./Query.ts"

export const findForLoginStatement = `
select t.id::float8 as tenant_id, t.suspended_at is not null as tenant_suspended,
  u.id::float8 as user_id, u.banned_at is not null as banned, u.password_hash
from tenants t left join users u on u.tenant_id = t.id and u.username = $2
where t.app_id = $1 and t.deleted_at is null`

/** The same for several. $1 a JSON array of `LoginCall`. */
export const findManyForLoginStatement = `
select call.ordinality::int, t.id::float8 as tenant_id, t.suspended_at is not null as tenant_suspended,
  u.id::float8 as user_id, u.banned_at is not null as banned, u.password_hash
from rows from (json_to_recordset($1::json) as (app_id text, username text)) with ordinality call
left join lateral (
  select id, suspended_at from tenants where tenants.app_id = call.app_id and deleted_at is null offset 0
) t on true
left join lateral (
  select id, banned_at, password_hash from users
  where users.tenant_id = t.id and users.username = call.username offset 0
) u on true`

interface LoginCall {
  readonly app_id: string
  readonly username: string
}

const loginFields = {
  tenant_suspended: Schema.Boolean,
  user_id: Schema.NullOr(UserId),
  banned: Schema.Boolean,
  password_hash: Schema.NullOr(Schema.String)
}

const LoginRow = Schema.Struct({ tenant_id: TenantId, ...loginFields })

/** No tenant: an app id that nobody has. */
const ManyLoginRow = Schema.Struct({ ordinality: Schema.Finite, tenant_id: Schema.NullOr(TenantId), ...loginFields })

const toLogin = (row: typeof LoginRow.Type): LoginRecord => ({
  tenantId: row.tenant_id,
  tenantSuspended: row.tenant_suspended,
  user: row.user_id === null ? null : { id: row.user_id, banned: row.banned, passwordHash: row.password_hash }
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
order by users.id limit $3`

/**
 * The locks that a sign-in takes, in its order: the row, which it may bring up to date, and then the user's turn. None
 * that saw the old password gets through once this has committed.
 */
const lockRowStatement = `select id::text as id from users where tenant_id = $1::bigint and id = $2::bigint for update`
const lockUserStatement = `select pg_advisory_xact_lock(1, hashint8($1::bigint))::text as locked`

const setPasswordStatement = `
with changed as (
  update users set password_hash = $3::text
  where tenant_id = $1::bigint and id = $2::bigint and ($4::text is null or password_hash = $4)
  returning id
), ended as (
  update sessions s set ended_at = now(), end_reason = 'password_changed'
  from changed where s.user_id = $2 and s.ended_at is null and s.id is distinct from $5::uuid
  returning s.id
), told as (
  select id, pg_notify('roomkey', 'ended password_changed ' || id) from ended
)
select coalesce((select array_agg(id) from told), '{}') as ended from changed`

/** Of the sessions, those that are open and those that have ended are found by an index each. */
const removeStatement = `
with changed as (
  delete from users where tenant_id = $1::bigint and id = $2::bigint returning id
), ended as (
  delete from sessions where id = any(array(
    select s.id from changed, sessions s where s.user_id = $2 and s.ended_at is null
    union all
    select s.id from changed, sessions s where s.user_id = $2 and s.ended_at is not null
  ))
  returning id, ended_at
), told as (
  select id, pg_notify('roomkey', 'ended user_erased ' || id) from ended where ended_at is null
), stripped as (
  update events e set address = null, user_agent = null from changed where e.user_id = $2
)
select coalesce((select array_agg(id) from told), '{}') as ended from changed`

const EndedRow = Schema.Struct({ ended: Schema.Array(SessionId) })

/** A flag beside each value that may be set to null; $8 bans or unbans. A ban ends every session of the user. */
const updateStatement = `
with found as (
  select id, custom_id is not null and custom_id <> $3::text as custom_id_differs,
    exists (select from users where tenant_id = $1::bigint and custom_id = $3 and id <> $2::bigint) as custom_id_taken
  from users where tenant_id = $1 and id = $2
), changed as (
  update users u set
    custom_id = coalesce(u.custom_id, $3),
    picture_url = case when $4::boolean then $5::text else u.picture_url end,
    metadata = case when $6::boolean then $7::jsonb else u.metadata end,
    banned_at = case when $8::boolean is null then u.banned_at when $8 then coalesce(u.banned_at, now()) end
  from found f
  where u.id = $2 and not coalesce(f.custom_id_differs, false) and not f.custom_id_taken
    and (u.custom_id is null or $3 is null or u.custom_id = $3)
  returning u.*
), ended as (
  update sessions s set ended_at = now(), end_reason = 'user_banned'
  from changed where $8 and s.user_id = $2 and s.ended_at is null
  returning s.id
), told as (
  select id, pg_notify('roomkey', 'ended user_banned ' || id) from ended
), changed_told as (
  select pg_notify('roomkey', 'changed ' || id) from changed
)
select coalesce(f.custom_id_differs, false) as custom_id_differs, f.custom_id_taken,
  (select to_jsonb(c) from (select ${userColumns} from changed) c) as changed,
  coalesce((select array_agg(id) from told), '{}') as ended
from found f left join changed_told on true`

const UpdateRow = Schema.Struct({
  custom_id_differs: Schema.Boolean,
  custom_id_taken: Schema.Boolean,
  changed: Schema.NullOr(UserRow),
  ended: Schema.Array(SessionId)
})

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
    const { apart, attempt, scanning, sql } = yield* Queries
    const loginRows = rows(LoginRow)
    const manyLoginRows = rows(ManyLoginRow)
    const userRows = rows(UserRow)
    const createRows = rows(CreateRow)
    const endedRows = rows(EndedRow)
    const updateRows = rows(UpdateRow)
    const hashRows = rows(Schema.Struct({ password_hash: Schema.NullOr(Schema.String) }))

    /** A change that ends sessions, in turn with the user's sign-ins. */
    const inTurn = (tenantId: TenantId, userId: UserId, statement: Statement<Row>) =>
      apart(Effect.gen(function* () {
        const found = yield* sql.unsafe<Row>(lockRowStatement, [tenantId, userId])
        if (found.length === 0) return []
        yield* sql.unsafe(lockUserStatement, [userId])
        return yield* statement
      }))

    /** Such a change, and the sessions that it ended. */
    const ending = Effect.fnUntraced(function* (
      operation: string,
      tenantId: TenantId,
      userId: UserId,
      statement: Statement<Row>
    ) {
      const [row] = yield* attempt(operation, Effect.flatMap(inTurn(tenantId, userId, statement), endedRows))
      return row === undefined ? yield* new UserNotFound() : row.ended
    })

    let looks = 0
    const findForLogin = yield* Gather.make(
      "findForLogin",
      // Any number may ask for the same user at once.
      () => String(looks++),
      (calls: ReadonlyArray<LoginCall>) =>
        sql.unsafe(findManyForLoginStatement, [JSON.stringify(calls)]).pipe(
          Effect.flatMap(manyLoginRows),
          Effect.map((found) =>
            new Map(found.map(({ ordinality, tenant_id, ...row }) => [
              ordinality - 1,
              tenant_id === null ? Option.none() : Option.some(toLogin({ tenant_id, ...row }))
            ]))
          )
        ),
      { atOnce: false }
    )

    const findAloneForLogin = (appId: string, username: string) =>
      attempt("findForLogin", sql.unsafe(findForLoginStatement, [appId, username]).pipe(Effect.flatMap(loginRows)))
        .pipe(Effect.map((found) => Option.map(Option.fromUndefinedOr(found[0]), toLogin)))

    return UserRepository.of({
      findForLogin: (appId, username) => findForLogin({ app_id: appId, username }, findAloneForLogin(appId, username)),
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
          sql.unsafe(listStatement, [tenantId, after, limit + 1, search ?? null]).pipe(
            // A search reads every user of the tenant, and nobody shall wait behind it.
            search === undefined ? identity : scanning(tenantId),
            Effect.flatMap(userRows)
          )
        ).pipe(Effect.map((found) => {
          const items = found.slice(0, limit).map(toUser)
          return { items, next: found.length > limit ? items[items.length - 1]?.id ?? null : null }
        })),
      update: Effect.fnUntraced(function* (tenantId, userId, change) {
        const statement = sql.unsafe<Row>(updateStatement, [
          tenantId,
          userId,
          change.customId ?? null,
          change.pictureUrl !== undefined,
          change.pictureUrl ?? null,
          change.metadata !== undefined,
          change.metadata === undefined || change.metadata === null ? null : JSON.stringify(change.metadata),
          change.banned ?? null
        ])
        const [row] = yield* attempt(
          "updateUser",
          Effect.flatMap(change.banned === undefined ? statement : inTurn(tenantId, userId, statement), updateRows),
          (error) => uniqueViolation(error) === "users_custom_id" ? new CustomIdTaken() : undefined
        )
        if (row === undefined) return yield* new UserNotFound()
        if (row.custom_id_taken) return yield* new CustomIdTaken()
        // Another call has just set another one.
        if (row.custom_id_differs || (row.changed === null && change.customId !== undefined)) {
          return yield* new CustomIdImmutable()
        }
        if (row.changed === null) return yield* new UserNotFound()
        return { user: toUser(row.changed), ended: row.ended }
      }),
      remove: (tenantId, userId) =>
        ending("removeUser", tenantId, userId, sql.unsafe(removeStatement, [tenantId, userId])),
      findPasswordHash: (tenantId, userId) =>
        attempt(
          "findPasswordHash",
          sql`select password_hash from users where tenant_id = ${tenantId} and id = ${userId}`.pipe(
            Effect.flatMap(hashRows)
          )
        ).pipe(Effect.map((found) => Option.fromNullishOr(found[0]?.password_hash))),
      setPassword: (tenantId, userId, passwordHash, options) =>
        ending(
          "setPassword",
          tenantId,
          userId,
          sql.unsafe(setPasswordStatement, [
            tenantId,
            userId,
            passwordHash,
            options?.from ?? null,
            options?.keep ?? null
          ])
        ),
      upgradePasswordHash: (userId, from, to) =>
        Effect.asVoid(attempt(
          "upgradePasswordHash",
          sql`update users set password_hash = ${to} where id = ${userId} and password_hash = ${from}`
        ))
    })
  })
).pipe(Layer.provide(Queries.layer))
