// What is over goes, a small batch at a time, so that nothing waits behind it. Of several instances one takes each turn.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Cause, Duration, Effect, Layer, Schedule, Schema } from "effect"
import { RetentionPolicy } from "../domain/Retention.ts"
import { Queries, rows } from "./Query.ts"

/** Sessions looked at in one turn. */
const batch = 2000

/** Rows of each kind removed in one turn, short enough that nobody notices the wait. */
const smallBatch = 250

/** Between two turns of one sweep that is not done. */
const breath = "100 millis"

const every = "5 seconds"

const start = "00000000-0000-0000-0000-000000000000"

/**
 * Sessions in the order of their keys, round and round: no index but the primary one, for which a sign-in pays anyway.
 * $1 seconds between turns, $2 seconds that a session is kept.
 */
const sweepSessionsStatement = `
with seen as (
  select id, least(coalesce(ended_at, 'infinity'), refresh_expires_at, expires_at) < now() - make_interval(secs => $2::float8)
    as over
  from sessions
  where id > (select coalesce(max(position), '${start}')::uuid from sweeps where name = 'sessions')
  order by id limit ${batch}
), turn as (
  insert into sweeps as s (name, position, ran_at)
  values ('sessions', coalesce((select id::text from seen order by id desc limit 1), '${start}'), now())
  on conflict (name) do update set position = excluded.position, ran_at = now()
  where s.ran_at <= now() - make_interval(secs => $1::float8)
  returning name
), gone as (
  delete from sessions where id = any(array(select id from seen where over)) and exists (select from turn)
)
select (select count(*) from seen where over)::float8 as gone from turn`

/** One by one. It is gone for everybody since a minute, so that no sign-in is still on its way. */
const deletedTenantStatement = `
select id::float8 as id from tenants where deleted_at < now() - interval '1 minute' order by tenants.id limit 1`

/** $1 tenant. */
const usersOfStatement = `
select id::float8 as id from users where tenant_id = $1::bigint order by users.id limit ${smallBatch}`

/** $1 users. Their open sessions and those that have ended are found by an index each. */
const removeSessionsStatement = `
delete from sessions where id in (
  (select id from sessions where user_id = any($1::bigint[]) and ended_at is null limit ${smallBatch})
  union all
  (select id from sessions where user_id = any($1::bigint[]) and ended_at is not null limit ${smallBatch})
)
returning 1 as gone`

const removeUsersStatement = `
delete from users where id = any($1::bigint[]) returning 1 as gone`

/** $1 tenant. */
const removeOthersStatement = `
with channels_gone as (
  delete from channels where id in (
    select id from channels where tenant_id = $1::bigint order by channels.id limit ${smallBatch}
  )
  returning 1 as gone
), events_gone as (
  delete from events where tenant_id = $1 and id in (
    select id from events where tenant_id = $1 order by events.id limit ${smallBatch}
  )
  returning 1 as gone
)
select gone from channels_gone union all select gone from events_gone`

/** $1 tenant, of which nothing is left but its keys. */
const removeTenantStatement = `
with usage_gone as (
  delete from usage_days where tenant_id = $1::bigint
)
delete from tenants where id = $1 returning 1 as gone`

/** By ctid: a row that is locked stays where it is. $1 seconds that an event is kept. */
const sweepEventsStatement = `
delete from events where ctid = any(array(
  select ctid from events where at < now() - make_interval(secs => $1::float8) limit ${smallBatch} for update skip locked
))
returning 1 as gone`

/** Few rows and short-lived ones: no index on their end, for which every ticket would pay. */
const sweepTicketsStatement = `
delete from tickets where digest = any(array(
  select digest from tickets where expires_at <= now() limit ${smallBatch} for update skip locked
))
returning 1 as gone`

const goneRows = rows(Schema.Struct({ gone: Schema.Finite }))
const idRows = rows(Schema.Struct({ id: Schema.Finite }))

/** Nothing, when it is not this instance's turn; else whether it found so much that it is not done. */
const sweepSessions = Effect.fnUntraced(function* (pause: number) {
  const { attempt, sql } = yield* Queries
  const { sessions } = yield* RetentionPolicy
  const [turn] = yield* attempt(
    "sweepSessions",
    Effect.flatMap(sql.unsafe(sweepSessionsStatement, [pause, Duration.toSeconds(sessions)]), goneRows)
  )
  return turn === undefined ? undefined : turn.gone > batch / 2
})

const sweepEvents = Effect.gen(function* () {
  const { attempt, sql } = yield* Queries
  const { events } = yield* RetentionPolicy
  const gone = yield* attempt("sweepEvents", sql.unsafe(sweepEventsStatement, [Duration.toSeconds(events)]))
  return gone.length === smallBatch
})

const sweepTickets = Effect.gen(function* () {
  const { attempt, sql } = yield* Queries
  const gone = yield* attempt("sweepTickets", sql.unsafe(sweepTicketsStatement))
  return gone.length === smallBatch
})

/** Some of what a deleted tenant left, or, when nothing is left, the tenant. */
const sweepTenant = Effect.gen(function* () {
  const { attempt, sql } = yield* Queries
  const ask = (operation: string, statement: string, parameters: ReadonlyArray<unknown>) =>
    attempt(operation, sql.unsafe(statement, parameters))
  const [tenant] = yield* Effect.flatMap(ask("findDeletedTenant", deletedTenantStatement, []), idRows)
  if (tenant === undefined) return false
  const users = yield* Effect.flatMap(ask("findUsersOfDeletedTenant", usersOfStatement, [tenant.id]), idRows)
  const ids = users.map(({ id }) => id)
  const others = yield* ask("sweepTenant", removeOthersStatement, [tenant.id])
  if (ids.length > 0) {
    const sessions = yield* ask("sweepTenant", removeSessionsStatement, [ids])
    if (sessions.length === 0) yield* ask("sweepTenant", removeUsersStatement, [ids])
  } else if (others.length === 0) {
    yield* ask("removeTenant", removeTenantStatement, [tenant.id])
  }
  return true
})

/** Whatever becomes of one, the others have their turn, and it has its next. */
const survive = <A, E, R>(sweep: Effect.Effect<A, E, R>): Effect.Effect<A | false, never, R> =>
  Effect.catchCause(
    sweep,
    (cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.interrupt
        : Effect.as(Effect.logWarning("Not swept", cause), false as const)
  )

/** One turn of each sweep, if another instance had none within `pause` seconds. Answers whether any is not done. */
export const sweep = Effect.fn("sweep")(function* (pause: number) {
  const sessions = yield* survive(sweepSessions(pause))
  if (sessions === undefined) return false
  const events = yield* survive(sweepEvents)
  const tickets = yield* survive(sweepTickets)
  const tenant = yield* survive(sweepTenant)
  return sessions || events || tickets || tenant
})

const untilDone = sweep(0).pipe(
  Effect.delay(breath),
  Effect.repeat({ while: (unfinished) => unfinished })
)

export const layer: Layer.Layer<never, never, PgClient> = Layer.effectDiscard(
  sweep(Duration.toSeconds(Duration.fromInputUnsafe(every)) / 2).pipe(
    Effect.flatMap((unfinished) => unfinished ? untilDone : Effect.succeed(unfinished)),
    Effect.repeat(Schedule.spaced(every)),
    Effect.forkScoped
  )
).pipe(Layer.provide(Queries.layer))
