// When a key was last used, to the minute.
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient
  yield* sql`alter table api_keys add column last_used_at timestamptz`
})
