// Time in the database moves by its columns: a session is made older, nobody waits.
import { PgClient } from "@effect/sql-pg/PgClient"
import { Effect } from "effect"
import type { SessionId } from "../../src/domain/Ids.ts"
import { byHand } from "./ByHand.ts"

/** As if everything that happened to the session had happened `seconds` earlier. */
export const age = Effect.fn("age")(function* (sessionId: SessionId, seconds: number) {
  const sql = yield* PgClient
  yield* byHand(sql`update sessions set
    created_at = created_at - make_interval(secs => ${seconds}),
    rotated_at = rotated_at - make_interval(secs => ${seconds}),
    access_expires_at = access_expires_at - make_interval(secs => ${seconds}),
    previous_access_until = previous_access_until - make_interval(secs => ${seconds}),
    refresh_expires_at = refresh_expires_at - make_interval(secs => ${seconds}),
    expires_at = expires_at - make_interval(secs => ${seconds})
    where id = ${sessionId}`)
})
