// Where sessions come from; what it takes to remove tenants, users and sessions that are over without a scan.
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

const statements = [
  `alter table sessions add column address text, add column user_agent text`,
  // Grows when a session ends, so that neither a sign-in nor a refresh pays for it.
  `create index sessions_ended on sessions (user_id) where ended_at is not null`,
  `create index channels_created_by on channels (created_by)`,
  // A deleted tenant is gone for everybody at once, and its rows are swept afterwards.
  `alter table tenants add column deleted_at timestamptz`,
  `create index tenants_deleted on tenants (id) where deleted_at is not null`,
  // How far a sweep through a table has come, and when it last ran: of several instances one takes the turn.
  `create table sweeps (
    name text primary key,
    position text not null,
    ran_at timestamptz not null
  )`
]

export default Effect.gen(function* () {
  const sql = yield* SqlClient
  for (const statement of statements) yield* sql.unsafe(statement)
})
