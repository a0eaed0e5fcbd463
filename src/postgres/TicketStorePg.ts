// Tickets in PostgreSQL: what deletes the row has used the ticket.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Effect, Layer, Option } from "effect"
import { maxTickets, ticketLife } from "../domain/Ticket.ts"
import { TicketStore } from "../services/TicketStore.ts"
import { Queries, rows } from "./Query.ts"
import { selectSessions, SessionRow, toRecord } from "./SessionStatements.ts"

/**
 * $1 session, $2 digest, $3 life in seconds. Calls at the same moment do not wait for each other: each adds one, and the
 * next removes what is too much.
 */
const addStatement = `
with surplus as (
  delete from tickets where digest = any(array(
    select digest from tickets where digest = any(array(
      select digest from tickets where session_id = $1::uuid order by expires_at desc offset ${maxTickets - 1}
    ))
    for update skip locked
  ))
)
insert into tickets (session_id, digest, expires_at) values ($1, $2::bytea, now() + make_interval(secs => $3::float8))`

const takeStatement = `
with taken as (
  delete from tickets where digest = $1::bytea and expires_at > now() returning session_id
)
${selectSessions}
where s.id = (select session_id from taken)`

export const layer: Layer.Layer<TicketStore, never, PgClient> = Layer.effect(
  TicketStore,
  Effect.gen(function* () {
    const { attempt, sql } = yield* Queries
    const sessionRows = rows(SessionRow)
    return TicketStore.of({
      add: (sessionId, digest) =>
        Effect.asVoid(
          attempt("addTicket", sql.unsafe(addStatement, [sessionId, digest, Duration.toSeconds(ticketLife)]))
        ),
      take: (digest) =>
        attempt("takeTicket", sql.unsafe(takeStatement, [digest]).pipe(Effect.flatMap(sessionRows))).pipe(
          Effect.map((found) => Option.map(Option.fromUndefinedOr(found[0]), toRecord))
        )
    })
  })
).pipe(Layer.provide(Queries.layer))
