// What is over goes, a small batch at a time, so that nothing waits behind it. Of several instances one takes each turn.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Effect, Layer, Schedule, Schema } from "effect"
import { RetentionPolicy } from "../domain/Retention.ts"
import { Queries, rows } from "./Query.ts"

/** Rows looked at in one turn. */
const batch = 2000

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
select name from turn`

/** The tenants are gone for everybody since a minute, so that no sign-in is still on its way. */
const deletedTenants = `
select id from tenants where deleted_at < now() - interval '1 minute'`

const sweepTenantsStatement = `
with batch as (
  select u.id from users u where u.tenant_id in (${deletedTenants}) limit ${batch} for update skip locked
), sessions_gone as (
  delete from sessions s using batch where s.user_id = batch.id
), users_gone as (
  delete from users u using batch where u.id = batch.id returning u.id
), channels_gone as (
  delete from channels where id in (select id from channels where tenant_id in (${deletedTenants}) limit ${batch})
  returning id
), events_gone as (
  delete from events e using (
    select tenant_id, id from events where tenant_id in (${deletedTenants}) limit ${batch}
  ) b where e.tenant_id = b.tenant_id and e.id = b.id
  returning e.id
)
select ((select count(*) from users_gone) + (select count(*) from channels_gone) + (select count(*) from events_gone))::float8
  as gone`

const removeTenantsStatement = `
with usage_gone as (
  delete from usage_days where tenant_id in (${deletedTenants})
)
delete from tenants t where t.id in (${deletedTenants})
  and not exists (select from users where tenant_id = t.id) and not exists (select from channels where tenant_id = t.id)`

const goneRows = rows(Schema.Struct({ gone: Schema.Finite }))

/** $1 seconds that an event is kept. */
const sweepEventsStatement = `
delete from events e using (
  select tenant_id, id from events where at < now() - make_interval(secs => $1::float8) limit ${batch}
  for update skip locked
) b where e.tenant_id = b.tenant_id and e.id = b.id`

/** One turn of each; does nothing where another instance had a turn within `pause` seconds. */
export const sweep = Effect.fn("sweep")(function* (pause: number) {
  const { attempt, sql } = yield* Queries
  const retention = yield* RetentionPolicy
  yield* attempt(
    "sweepSessions",
    sql.unsafe(sweepSessionsStatement, [pause, Duration.toSeconds(retention.sessions)])
  )
  yield* attempt("sweepEvents", sql.unsafe(sweepEventsStatement, [Duration.toSeconds(retention.events)]))
  const [tenants] = yield* attempt("sweepTenants", Effect.flatMap(sql.unsafe(sweepTenantsStatement), goneRows))
  if (tenants?.gone === 0) yield* attempt("removeTenants", sql.unsafe(removeTenantsStatement))
})

export const layer: Layer.Layer<never, never, PgClient> = Layer.effectDiscard(
  sweep(Duration.toSeconds(Duration.fromInputUnsafe(every)) / 2).pipe(
    // What was not swept still is there at the next turn.
    Effect.catchTag("StoreUnavailable", () => Effect.void),
    Effect.repeat(Schedule.spaced(every)),
    Effect.forkScoped
  )
).pipe(Layer.provide(Queries.layer))
