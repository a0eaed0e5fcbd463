// Tickets for the socket, and whether a tenant still takes tokens in URLs. Tickets are unlogged: they live for seconds, and
// a crash that forgets them leaves none to be used twice. Their session is not referred to: checking that would write
// locks into rows that every refresh changes.
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

const statements = [
  `alter table tenants add column query_tokens boolean not null default true`,
  `create unlogged table tickets (
    digest bytea primary key,
    session_id uuid not null,
    expires_at timestamptz not null
  )`,
  `create index tickets_session on tickets (session_id)`
]

export default Effect.gen(function* () {
  const sql = yield* SqlClient
  for (const statement of statements) yield* sql.unsafe(statement)
})
