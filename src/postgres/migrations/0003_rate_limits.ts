// Allowances used. Unlogged: a crash forgets them, which harms nobody, and no attempt waits for the disk.
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient
  yield* sql`create unlogged table rate_limits (
    key text collate "C" primary key,
    count bigint not null,
    expires_at timestamptz not null
  ) with (fillfactor = 50)`
})
