// What happened, and how much of it. No key refers to the tenant: an event that arrives late must not fail the others
// that are written with it. Events of a user are found, to be stripped when the user is erased; and those that are old.
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

const statements = [
  `create table events (
    id bigint generated always as identity,
    tenant_id bigint not null,
    at timestamptz not null,
    type text not null,
    actor text not null,
    api_key_id uuid,
    user_id bigint,
    session_id uuid,
    address text,
    user_agent text,
    detail jsonb,
    primary key (tenant_id, id)
  )`,
  `create index events_user on events (user_id) where user_id is not null`,
  `create index events_at on events (at)`,
  `create table usage_days (
    tenant_id bigint not null,
    day date not null,
    sign_ins bigint not null,
    sockets bigint not null,
    primary key (tenant_id, day)
  )`
]

export default Effect.gen(function* () {
  const sql = yield* SqlClient
  for (const statement of statements) yield* sql.unsafe(statement)
})
