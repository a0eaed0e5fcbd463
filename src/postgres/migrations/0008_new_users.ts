// Whether a user may be made, asked under the locks on its name and custom id.
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

const statements = [
  // By a function, since each of its queries sees what was committed until then: the statement that takes the locks does
  // not see the user that their last holder made while it ran.
  `create function nobody_has(tenant bigint, name text, custom text) returns boolean
  language plpgsql volatile as $$
  begin
    return not exists (select from users where tenant_id = tenant and username = name)
      and not exists (select from users where tenant_id = tenant and custom_id = custom);
  end
  $$`
]

export default Effect.gen(function* () {
  const sql = yield* SqlClient
  for (const statement of statements) yield* sql.unsafe(statement)
})
