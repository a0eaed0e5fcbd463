// The SQL of sessions, with the rows that it answers. Each call is one statement, or shares one with others, so one
// transaction; the row is found by its primary key, time is the database's, and a refresh touches no indexed column.
// Only digests are ever written.
import { Schema } from "effect"
import { type ApiKeyId, AppId, SessionId, TenantId, UserId } from "../domain/Ids.ts"
import { EndReason, type SessionInfo, type SessionRecord } from "../domain/Session.ts"
import { Metadata } from "../domain/User.ts"

const insertSession = (from: string) => `
  insert into sessions (
    id, user_id, access_digest, refresh_digest, access_expires_at, refresh_expires_at, expires_at, address, user_agent
  )
  select $1::uuid, id, $2::bytea, $3::bytea,
    now() + make_interval(secs => $4::float8),
    now() + make_interval(secs => $5::float8),
    now() + make_interval(secs => $6::float8),
    $8::text, $9::text
  from ${from}
  returning user_id`

/**
 * Sign-in by profile. Writes the session row, and the user's only if the profile says something new; by an array, since the
 * planner would join what it found by reading all users, or all of their index.
 * $1-$9 as `openParameters`, $10 key, $11 tenant, $12 username, $13 custom id, $14 picture, $15 metadata.
 */
export const openForProfileStatement = `
with key as (
  select k.tenant_id, t.suspended_at is not null as suspended
  from api_keys k join tenants t on t.id = k.tenant_id
  where k.id = $10::uuid and k.tenant_id = $11::bigint
    and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
), found as (
  select u.id, u.username, u.custom_id, u.picture_url, u.metadata, u.banned_at is not null as banned,
    u.custom_id <> $13::text as custom_id_differs,
    u.custom_id is null and $13 is not null and exists (
      select from users other where other.tenant_id = u.tenant_id and other.custom_id = $13
    ) as custom_id_taken,
    (u.custom_id is null and $13 is not null)
      or ($14::text is not null and u.picture_url is distinct from $14)
      or u.metadata is distinct from $15::jsonb as changed
  from users u join key on u.tenant_id = key.tenant_id
  where u.username = $12::text
), admitted as (
  select found.* from found, key
  where not (key.suspended or found.banned or coalesce(found.custom_id_differs, false) or found.custom_id_taken)
), updated as (
  update users u
  set custom_id = coalesce(u.custom_id, $13), picture_url = coalesce($14, u.picture_url), metadata = $15
  from admitted a
  where u.id = any(array(select id from admitted where changed)) and u.id = a.id
    and (u.custom_id is null or $13 is null or u.custom_id = $13)
  returning u.id, u.custom_id, u.picture_url, u.metadata
), signed_in as (
  select id, custom_id, picture_url, metadata from updated
  union all
  select id, custom_id, picture_url, metadata from admitted where not changed
), opened as (${insertSession("signed_in")}
)
select key.suspended, found.id::float8 as user_id, found.username,
  coalesce(found.banned, false) as banned,
  coalesce(found.custom_id_differs, false) as custom_id_differs,
  coalesce(found.custom_id_taken, false) as custom_id_taken,
  s.custom_id, s.picture_url, s.metadata, exists (select from updated) as changed,
  opened.user_id is not null as opened,
  case when opened.user_id is not null then admit_session(opened.user_id, $7::integer, null) end as evicted
from key
left join found on true
left join signed_in s on true
left join opened on true`

const userFields = {
  user_id: UserId,
  username: Schema.String,
  custom_id: Schema.NullOr(Schema.String),
  picture_url: Schema.NullOr(Schema.String),
  metadata: Schema.NullOr(Metadata)
}

export const ProfileRow = Schema.Struct({
  suspended: Schema.Boolean,
  user_id: Schema.NullOr(UserId),
  username: Schema.NullOr(Schema.String),
  banned: Schema.Boolean,
  custom_id_differs: Schema.Boolean,
  custom_id_taken: Schema.Boolean,
  custom_id: Schema.NullOr(Schema.String),
  picture_url: Schema.NullOr(Schema.String),
  metadata: Schema.NullOr(Metadata),
  changed: Schema.Boolean,
  opened: Schema.Boolean,
  evicted: Schema.NullOr(Schema.Array(SessionId))
})

/** Tells the other instances of users whose profile is another one now. $1 their ids. */
export const tellChangedStatement = `
select pg_notify('roomkey', 'changed ' || id)::text as told from unnest($1::text[]) id`

/** A session for each call that is `admitted` and whose user's lock nobody holds. $2-$5 as `openManyStatement`. */
const openAdmitted = (expectedHash: string) =>
  `signed_in as materialized (
  select * from admitted where pg_try_advisory_xact_lock(1, hashint8(user_id))
), opened as (
  insert into sessions (
    id, user_id, access_digest, refresh_digest, access_expires_at, refresh_expires_at, expires_at, address, user_agent
  )
  select id, user_id, access_digest, refresh_digest,
    now() + make_interval(secs => $2::float8),
    now() + make_interval(secs => $3::float8),
    now() + make_interval(secs => $4::float8),
    address, user_agent
  from signed_in
  returning id
)
select ordinality::int, user_id::float8 as user_id, username, custom_id, picture_url, metadata,
  admit_session(user_id, $5::integer, ${expectedHash}) as evicted
from opened join signed_in using (id)`

/**
 * Sign-ins make a user's row under a lock on its name, and then on its custom id, so that of those at once none collides
 * with another or burns an id.
 */
const lockOf = (what: number) => (tenant: string, value: string) =>
  `${what}, hashtext(${tenant}::text || ' ' || ${value}::text)`
const nameLock = lockOf(2)
const customIdLock = lockOf(3)

/** The calls of $1, a JSON array of `SignInCall`. */
const signInCalls = `
with call as (
  select * from rows from (json_to_recordset($1::json) as (
    id uuid, access_digest bytea, refresh_digest bytea, address text, user_agent text,
    api_key_id uuid, tenant_id bigint, username text, custom_id text, picture_url text, metadata jsonb
  )) with ordinality
)`

/** Keeps what names a valid key of a tenant that is not suspended. */
const withKey = (key: string, tenant: string) => `
  join api_keys k on k.id = ${key} and k.tenant_id = ${tenant}
    and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
  join tenants t on t.id = k.tenant_id and t.suspended_at is null`
const callsWithKey = `call ${withKey("call.api_key_id", "call.tenant_id")}`

/**
 * Sign-in by profile of several known users at once, each only if its profile says nothing new and nobody holds its lock;
 * who is left out is signed in by the statement above. $1 a JSON array of `SignInCall`, $2-$5 the access, refresh and
 * session TTL and the limit of sessions.
 */
export const openManyStatement = `${signInCalls}, admitted as materialized (
  select call.ordinality, call.id, call.access_digest, call.refresh_digest, call.address, call.user_agent,
    u.id as user_id, u.username, u.custom_id, u.picture_url, u.metadata
  from ${callsWithKey}
  cross join lateral (
    select * from users where users.tenant_id = call.tenant_id and users.username = call.username offset 0
  ) u
  where u.banned_at is null
    and (call.custom_id is null or u.custom_id = call.custom_id)
    and (call.picture_url is null or u.picture_url = call.picture_url)
    and u.metadata is not distinct from call.metadata
), ${openAdmitted("null")}`

/**
 * Sign-in by profile of several new users at once, each only if its key is valid, nobody has its name or custom id, and
 * nobody else is making a user of either; of two calls with one custom id the first. Who is left out is answered by
 * statements of its own; should somebody hold the lock of a user just made, that one is there, and is signed in by those.
 * $1-$5 as `openManyStatement`.
 */
export const openManyNewStatement = `${signInCalls}, valid as materialized (
  select call.* from ${callsWithKey}
  where not exists (
    select from call other
    where other.tenant_id = call.tenant_id and other.custom_id = call.custom_id and other.ordinality < call.ordinality
  )
), held as materialized (
  select * from valid
  where pg_try_advisory_xact_lock(${nameLock("tenant_id", "username")})
    and (custom_id is null or pg_try_advisory_xact_lock(${customIdLock("tenant_id", "custom_id")}))
), free as materialized (
  select * from held where nobody_has(tenant_id, username, custom_id)
), created as (
  insert into users (tenant_id, username, custom_id, picture_url, metadata)
  select tenant_id, username, custom_id, picture_url, metadata from free
  on conflict do nothing
  returning id, tenant_id, username
), admitted as materialized (
  select free.*, created.id as user_id from created join free using (tenant_id, username)
), ${openAdmitted("null")}`

/** Sign-in by user id. $1-$9 as `openParameters`, $10 tenant, $11 user, $12 the password hash that was verified. */
export const openForPasswordStatement = `
with account as (
  select u.id, u.username, u.custom_id, u.picture_url, u.metadata, u.banned_at is not null as banned,
    t.suspended_at is not null as suspended
  from users u join tenants t on t.id = u.tenant_id
  where u.id = $11::bigint and u.tenant_id = $10::bigint and u.password_hash = $12::text
), admitted as (
  select id from account where not banned and not suspended
), opened as (${insertSession("admitted")}
)
select account.id::float8 as user_id, username, custom_id, picture_url, metadata, banned, suspended,
  case when opened.user_id is not null then admit_session(opened.user_id, $7::integer, $12) end as evicted
from account left join opened on true`

/**
 * Sign-in by user id of several at once, each only if nothing speaks against it and nobody holds its lock; who is left out
 * is answered by the statement above. $1 a JSON array of `PasswordCall`, $2-$5 as `openManyStatement`.
 */
export const openManyForPasswordStatement = `
with call as (
  select * from rows from (json_to_recordset($1::json) as (
    id uuid, access_digest bytea, refresh_digest bytea, address text, user_agent text,
    tenant_id bigint, user_id bigint, password_hash text
  )) with ordinality
), admitted as materialized (
  select call.*, u.username, u.custom_id, u.picture_url, u.metadata
  from call
  cross join lateral (
    select * from users where users.id = call.user_id offset 0
  ) u
  join tenants t on t.id = u.tenant_id and t.suspended_at is null
  where u.tenant_id = call.tenant_id and u.password_hash = call.password_hash and u.banned_at is null
), ${openAdmitted("password_hash")}`

export const PasswordRow = Schema.Struct({
  ...userFields,
  banned: Schema.Boolean,
  suspended: Schema.Boolean,
  evicted: Schema.NullOr(Schema.Array(SessionId))
})

/** A session to be opened. Digests are hexadecimal, as PostgreSQL reads them. */
interface OpenCall {
  readonly id: SessionId
  readonly access_digest: string
  readonly refresh_digest: string
  readonly address: string | null
  readonly user_agent: string | null
}

/** A call of `openManyForPasswordStatement`. */
export interface PasswordCall extends OpenCall {
  readonly tenant_id: TenantId
  readonly user_id: UserId
  readonly password_hash: string
}

/** A call of `openManyStatement`. */
export interface SignInCall extends OpenCall {
  readonly api_key_id: ApiKeyId
  readonly tenant_id: TenantId
  readonly username: string
  readonly custom_id: string | undefined
  readonly picture_url: string | undefined
  readonly metadata: Metadata | undefined
}

export const OpenedRow = Schema.Struct({ ordinality: Schema.Finite, ...userFields, evicted: Schema.Array(SessionId) })

export const selectSessions = `
select s.id, u.tenant_id::float8 as tenant_id, t.app_id, t.suspended_at is not null as tenant_suspended, t.allowed_origins,
  t.query_tokens,
  u.id::float8 as user_id, u.username, u.custom_id, u.picture_url, u.metadata, u.banned_at is not null as banned,
  case when s.ended_at is not null then s.end_reason end as end_reason,
  extract(epoch from s.expires_at - now())::float8 as session_left,
  s.access_digest, extract(epoch from s.access_expires_at - now())::float8 as access_left,
  s.previous_access_digest,
  coalesce(extract(epoch from s.previous_access_until - now()), 0)::float8 as previous_access_left,
  s.refresh_digest, extract(epoch from s.refresh_expires_at - now())::float8 as refresh_left,
  s.previous_refresh_digest, extract(epoch from now() - s.rotated_at)::float8 as since_rotation, s.salt, s.used
from sessions s join users u on u.id = s.user_id join tenants t on t.id = u.tenant_id and t.deleted_at is null`

export const findStatement = `${selectSessions}
where s.id = $1::uuid`

export const findAllStatement = `${selectSessions}
where s.id = any($1::uuid[])`

export const SessionRow = Schema.Struct({
  id: SessionId,
  tenant_id: TenantId,
  app_id: AppId,
  tenant_suspended: Schema.Boolean,
  allowed_origins: Schema.Array(Schema.String),
  query_tokens: Schema.Boolean,
  ...userFields,
  banned: Schema.Boolean,
  end_reason: Schema.NullOr(EndReason),
  session_left: Schema.Finite,
  access_digest: Schema.Uint8Array,
  access_left: Schema.Finite,
  previous_access_digest: Schema.NullOr(Schema.Uint8Array),
  previous_access_left: Schema.Finite,
  refresh_digest: Schema.Uint8Array,
  refresh_left: Schema.Finite,
  previous_refresh_digest: Schema.NullOr(Schema.Uint8Array),
  since_rotation: Schema.Finite,
  salt: Schema.NullOr(Schema.Uint8Array),
  used: Schema.Boolean
})

export const toRecord = (row: typeof SessionRow.Type): SessionRecord => ({
  id: row.id,
  tenantId: row.tenant_id,
  appId: row.app_id,
  tenantSuspended: row.tenant_suspended,
  allowedOrigins: row.allowed_origins,
  queryTokens: row.query_tokens,
  user: toUser(row),
  userBanned: row.banned,
  endReason: row.end_reason,
  sessionLeft: row.session_left,
  access: {
    digest: row.access_digest,
    left: row.access_left,
    previousDigest: row.previous_access_digest,
    previousLeft: row.previous_access_left
  },
  refresh: {
    digest: row.refresh_digest,
    left: row.refresh_left,
    previousDigest: row.previous_refresh_digest,
    sinceRotation: row.since_rotation,
    salt: row.salt,
    used: row.used
  }
})

export const toUser = (row: {
  readonly user_id: UserId
  readonly username: string
  readonly custom_id: string | null
  readonly picture_url: string | null
  readonly metadata: Metadata | null
}) => ({
  id: row.user_id,
  username: row.username,
  customId: row.custom_id,
  pictureUrl: row.picture_url,
  metadata: row.metadata
})

export const markUsedStatement = `
update sessions set used = true where id = $1::uuid and access_digest = $2::bytea and not used`

/** $3 salt, $4 access digest, $5 refresh digest, $6 access TTL, $7 refresh TTL, $8 address, $9 user agent. */
const nextPair = `salt = $3::bytea, access_digest = $4::bytea, refresh_digest = $5::bytea, rotated_at = now(),
  access_expires_at = least(now() + make_interval(secs => $6::float8), s.expires_at),
  refresh_expires_at = least(now() + make_interval(secs => $7::float8), s.expires_at),
  address = coalesce($8::text, s.address), user_agent = coalesce($9::text, s.user_agent)`

const keepPair = (grace: string) =>
  `used = false,
  previous_access_digest = s.access_digest,
  previous_access_until = least(s.access_expires_at, now() + make_interval(secs => ${grace}::float8)),
  previous_refresh_digest = s.refresh_digest`

const isLive = `s.ended_at is null and s.refresh_expires_at > now() and s.expires_at > now()
  and u.id = s.user_id and u.banned_at is null and t.id = u.tenant_id and t.suspended_at is null`

/**
 * The next pair in place of the present one. A compare-and-set on the digest of the presented token: of calls at the
 * same moment one wins, and the others read what it wrote.
 * $1 session, $2 presented digest, $3-$9 as in `nextPair`, $10 grace.
 */
export const rotateStatement = `
update sessions s set ${nextPair}, ${keepPair("$10")}
from users u, tenants t
where s.id = $1::uuid and s.refresh_digest = $2::bytea and ${isLive}
returning extract(epoch from s.access_expires_at - now())::float8 as expires_in`

/**
 * `rotateStatement` for several sessions at once; one that somebody holds is left out. The array has their rows found by
 * their primary key, whatever the planner thinks of a small table. $1 a JSON array of `RotateCall`, $2 access TTL,
 * $3 refresh TTL, $4 grace.
 */
export const rotateManyStatement = `
with call as (
  select * from rows from (json_to_recordset($1::json) as (
    id uuid, presented_digest bytea, salt bytea, access_digest bytea, refresh_digest bytea,
    address text, user_agent text
  )) with ordinality
), held as materialized (
  select call.* from call cross join lateral (
    select from sessions s, users u, tenants t
    where s.id = call.id and s.refresh_digest = call.presented_digest and ${isLive}
    for no key update of s skip locked
  ) live
)
update sessions s set salt = held.salt, access_digest = held.access_digest, refresh_digest = held.refresh_digest,
  rotated_at = now(),
  access_expires_at = least(now() + make_interval(secs => $2::float8), s.expires_at),
  refresh_expires_at = least(now() + make_interval(secs => $3::float8), s.expires_at),
  address = coalesce(held.address, s.address), user_agent = coalesce(held.user_agent, s.user_agent),
  ${keepPair("$4")}
from held
where s.id = any(array(select id from held)) and s.id = held.id and s.refresh_digest = held.presented_digest
returning held.ordinality::int, extract(epoch from s.access_expires_at - now())::float8 as expires_in`

/** A call of `rotateManyStatement`. Bytes are hexadecimal, as PostgreSQL reads them. */
export interface RotateCall {
  readonly id: SessionId
  readonly presented_digest: string
  readonly salt: string
  readonly access_digest: string
  readonly refresh_digest: string
  readonly address: string | null
  readonly user_agent: string | null
}

/** $1-$9 as in `rotateStatement`, $10 the salt that made the successor being replaced. */
export const replaceUnusedStatement = `
update sessions s set ${nextPair}
from users u, tenants t
where s.id = $1::uuid and s.previous_refresh_digest = $2::bytea and s.salt = $10::bytea and not s.used and ${isLive}
returning extract(epoch from s.access_expires_at - now())::float8 as expires_in`

export const ExpiresInRow = Schema.Struct({ expires_in: Schema.Finite })

export const RotatedRow = Schema.Struct({ ordinality: Schema.Finite, expires_in: Schema.Finite })

/** The other instances hear of it when, and only if, the end commits. */
export const endStatement = `
with ended as (
  update sessions set ended_at = now(), end_reason = $2::text where id = $1::uuid and ended_at is null returning id
)
select pg_notify('roomkey', 'ended ' || $2 || ' ' || id)::text as notified from ended`

export const listStatement = `
select s.id, (extract(epoch from s.created_at) * 1000)::float8 as created_at,
  (extract(epoch from s.rotated_at) * 1000)::float8 as last_seen_at,
  (extract(epoch from least(s.refresh_expires_at, s.expires_at)) * 1000)::float8 as expires_at,
  s.address, s.user_agent
from sessions s join users u on u.id = s.user_id
where u.tenant_id = $1 and s.user_id = $2 and s.ended_at is null
  and s.refresh_expires_at > now() and s.expires_at > now()
order by s.created_at desc, s.id desc`

export const InfoRow = Schema.Struct({
  id: SessionId,
  created_at: Schema.Finite,
  last_seen_at: Schema.Finite,
  expires_at: Schema.Finite,
  address: Schema.NullOr(Schema.String),
  user_agent: Schema.NullOr(Schema.String)
})

export const toInfo = (row: typeof InfoRow.Type): SessionInfo => ({
  id: row.id,
  createdAt: Math.floor(row.created_at),
  lastSeenAt: Math.floor(row.last_seen_at),
  expiresAt: Math.floor(row.expires_at),
  address: row.address,
  userAgent: row.user_agent
})

const endWhere = (condition: string) => `
with ended as (
  update sessions s set ended_at = now(), end_reason = $1::text
  from users u
  where u.id = s.user_id and u.tenant_id = $2::bigint and s.ended_at is null and ${condition}
  returning s.id
)
select id, pg_notify('roomkey', 'ended ' || $1 || ' ' || id)::text as notified from ended`

export const endAllStatement = endWhere("s.user_id = $3::bigint and s.id is distinct from $4::uuid")

export const endWithinStatement = endWhere(
  "($3::bigint is null or s.user_id = $3) and s.id = $4::uuid and u.id = (select user_id from sessions where id = $4)"
)

export const EndedRow = Schema.Struct({ id: SessionId })

/** $1 tenant, $2 username or custom id. */
export const lockNameStatement = `select pg_advisory_xact_lock(${nameLock("$1", "$2")})::text as locked`
export const lockCustomIdStatement = `select pg_advisory_xact_lock(${customIdLock("$1", "$2")})::text as locked`

/** Makes a user, if the key is valid. $1 tenant, $2 username, $3 custom id, $4 picture, $5 metadata, $6 key. */
export const createUserStatement = `
with taken as (
  select from users where tenant_id = $1::bigint and custom_id = $3::text and username <> $2::text
), created as (
  insert into users (tenant_id, username, custom_id, picture_url, metadata)
  select $1, $2, $3, $4::text, $5::jsonb
  from (select) one ${withKey("$6::uuid", "$1")}
  where not exists (select from taken) and not exists (select from users where tenant_id = $1 and username = $2)
  returning id
)
select exists (select from taken) as custom_id_taken from (select) one left join created on true`

export const CreatedRow = Schema.Struct({ custom_id_taken: Schema.Boolean })
