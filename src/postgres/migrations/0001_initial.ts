// Tenants, their keys, users, channels and sessions.
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

const statements = [
  `create table tenants (
    id bigint generated always as identity primary key,
    name text not null,
    app_id text collate "C" not null unique,
    registration_enabled boolean not null default false,
    allowed_origins text[] not null default '{}',
    password_min_length integer,
    suspended_at timestamptz,
    created_at timestamptz not null default now()
  )`,
  `create table api_keys (
    id uuid primary key,
    tenant_id bigint not null references tenants on delete cascade,
    digest bytea not null,
    label text,
    expires_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz not null default now()
  )`,
  `create index api_keys_tenant on api_keys (tenant_id)`,
  `create table users (
    id bigint generated always as identity primary key,
    tenant_id bigint not null references tenants on delete cascade,
    username text collate "C" not null,
    custom_id text collate "C",
    picture_url text,
    metadata jsonb,
    password_hash text,
    banned_at timestamptz,
    created_at timestamptz not null default now(),
    constraint users_username unique (tenant_id, username),
    constraint users_custom_id unique (tenant_id, custom_id)
  ) with (fillfactor = 90)`,
  `create index users_page on users (tenant_id, id)`,
  `create table channels (
    id bigint generated always as identity primary key,
    tenant_id bigint not null references tenants on delete cascade,
    name text not null,
    created_by bigint references users on delete set null,
    created_at timestamptz not null default now()
  )`,
  `create index channels_page on channels (tenant_id, id)`,
  // No foreign key to users: checking it would write a lock into the user's row at every sign-in. admit_session holds
  // the rule instead. Room is left in each page, so that a refresh finds space beside the row it replaces (HOT).
  `create table sessions (
    id uuid primary key,
    user_id bigint not null,
    access_digest bytea not null,
    access_expires_at timestamptz not null,
    refresh_digest bytea not null,
    refresh_expires_at timestamptz not null,
    expires_at timestamptz not null,
    previous_access_digest bytea,
    previous_access_until timestamptz,
    previous_refresh_digest bytea,
    salt bytea,
    rotated_at timestamptz not null default now(),
    used boolean not null default true,
    ended_at timestamptz,
    end_reason text,
    created_at timestamptz not null default now()
  ) with (fillfactor = 70)`,
  `create index sessions_open on sessions (user_id, id) where ended_at is null`,
  // Called by the statement that inserts a session, after the insert. One user's sign-ins, bans and password changes
  // pass here one at a time, and each looks again at what the one before it committed:
  // - RK403: the user may no longer sign in; the statement is undone.
  // - the sessions beyond the limit go, those that expired before those that live; answers the latter.
  `create function admit_session(owner bigint, allowed integer, expected_hash text) returns uuid[]
  language plpgsql volatile as $$
  declare
    surplus integer;
    evicted uuid[];
  begin
    perform pg_advisory_xact_lock(1, hashint8(owner));
    if not exists (
      select from users
      where id = owner and banned_at is null and (expected_hash is null or password_hash = expected_hash)
    ) then
      raise exception 'user may not sign in' using errcode = 'RK403';
    end if;
    select count(*) - allowed into surplus from sessions where user_id = owner and ended_at is null;
    if surplus <= 0 then
      return '{}';
    end if;
    delete from sessions
    where user_id = owner and ended_at is null and (refresh_expires_at <= now() or expires_at <= now());
    with gone as (
      delete from sessions where id in (
        select id from sessions where user_id = owner and ended_at is null order by created_at desc, id desc offset allowed
      )
      returning id
    )
    select array_agg(id) into evicted from gone;
    perform pg_notify('roomkey', 'ended evicted ' || id) from unnest(evicted) id;
    return coalesce(evicted, '{}');
  end
  $$`
]

export default Effect.gen(function* () {
  const sql = yield* SqlClient
  for (const statement of statements) yield* sql.unsafe(statement)
})
