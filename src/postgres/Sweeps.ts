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
  delete from sessions s using seen, turn where s.id = seen.id and seen.over
)
select (select count(*) from turn, seen where seen.over)::float8 as gone`

/** One by one. It is gone for everybody since a minute, so that no sign-in is still on its way. */
const deletedTenant = `
(select id from tenants where deleted_at < now() - interval '1 minute' order by id limit 1)`

/** A user goes in the turn after the last of its sessions, which are found by an index each if open or ended. */
const sweepTenantStatement = `
with batch as (
  select u.id from users u where u.tenant_id = ${deletedTenant} limit ${smallBatch} for update skip locked
), theirs as (
  (select s.id, s.user_id from batch join sessions s on s.user_id = batch.id where s.ended_at is null limit ${smallBatch})
  union all
  (select s.id, s.user_id from batch join sessions s on s.user_id = batch.id where s.ended_at is not null
    limit ${smallBatch})
), sessions_gone as (
  delete from sessions s using theirs where s.id = theirs.id returning s.id
), users_gone as (
  delete from users u using batch
  where u.id = batch.id and not exists (select from theirs where theirs.user_id = batch.id)
    and (select count(*) from theirs) < ${smallBatch}
  returning u.id
), channels_gone as (
  delete from channels where id in (
    select id from channels where tenant_id = ${deletedTenant} limit ${smallBatch}
  )
  returning id
), events_gone as (
  delete from events e using (
    select tenant_id, id from events where tenant_id = ${deletedTenant} limit ${smallBatch}
  ) b where e.tenant_id = b.tenant_id and e.id = b.id
  returning e.id
)
select ((select count(*) from sessions_gone) + (select count(*) from users_gone) + (select count(*) from channels_gone) +
  (select count(*) from events_gone))::float8 as gone`

const removeTenantStatement = `
with usage_gone as (
  delete from usage_days where tenant_id = ${deletedTenant}
)
delete from tenants t where t.id = ${deletedTenant}
  and not exists (select from users where tenant_id = t.id) and not exists (select from channels where tenant_id = t.id)
returning 1 as gone`

/** $1 seconds that an event is kept. */
const sweepEventsStatement = `
delete from events e using (
  select tenant_id, id from events where at < now() - make_interval(secs => $1::float8) limit ${smallBatch}
  for update skip locked
) b where e.tenant_id = b.tenant_id and e.id = b.id
returning 1 as gone`

const goneRows = rows(Schema.Struct({ gone: Schema.Finite }))

/** One turn of each sweep. Answers whether any found so much that it is not done. */
export const sweep = Effect.fn("sweep")(function* (pause: number) {
  const { attempt, sql } = yield* Queries
  const retention = yield* RetentionPolicy
  const turn = (operation: string, statement: string, parameters: ReadonlyArray<number> = []) =>
    attempt(operation, Effect.flatMap(sql.unsafe(statement, parameters), goneRows)).pipe(
      // Whatever becomes of one, the others have their turn, and it has its next.
      Effect.catchCauseIf(
        (cause) => !Cause.hasInterruptsOnly(cause),
        (cause) => Effect.as(Effect.logWarning("Not swept", cause), [])
      )
    )
  const [sessions] = yield* turn("sweepSessions", sweepSessionsStatement, [
    pause,
    Duration.toSeconds(retention.sessions)
  ])
  const events = yield* turn("sweepEvents", sweepEventsStatement, [Duration.toSeconds(retention.events)])
  const [tenant] = yield* turn("sweepTenant", sweepTenantStatement)
  const removed = tenant?.gone === 0 ? yield* turn("removeTenant", removeTenantStatement) : []
  return (sessions?.gone ?? 0) > batch / 2 || events.length === smallBatch || (tenant?.gone ?? 0) > 0 ||
    removed.length > 0
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
