// Events in PostgreSQL. They are gathered for a moment and written many at a time, so that a sign-in does not pay for its
// own; an instance that is killed takes those of its last moment with it, and those that were on their way when the
// database went away may be written twice.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Clock, Effect, Layer, Metric, Schema } from "effect"
import { ActorKind, AuditDetail, type AuditRecord, type PeriodUsage } from "../domain/AuditEvent.ts"
import { ApiKeyId, SessionId, type TenantId, UserId } from "../domain/Ids.ts"
import { auditDropped } from "../Metrics.ts"
import { Actor } from "../services/Actor.ts"
import { AuditLog } from "../services/AuditLog.ts"
import { Caller } from "../services/Caller.ts"
import * as Later from "./Later.ts"
import { Queries, rows } from "./Query.ts"

const batchSize = 500
/** Events that may wait while the database is away. One more is dropped, and counted. */
const maxWaiting = 20_000

const socketOpened = "socket_opened"

/**
 * $1 a JSON array of `Waiting`. In the order of tenants, so that two instances do not lock each other out. Of a user who
 * was erased meanwhile no address is kept; `offset 0` has each looked up, where all users would be read at once.
 */
export const writeEventsStatement = `
with event as (
  select * from jsonb_to_recordset($1::jsonb) as event (
    tenant_id bigint, age float8, type text, actor text, api_key_id uuid, user_id bigint, session_id uuid,
    address text, user_agent text, detail jsonb, sockets int
  )
), counted as (
  insert into usage_days as u (tenant_id, day, sign_ins, sockets)
  select tenant_id, (now() at time zone 'utc')::date,
    count(*) filter (where type = 'signed_in'), coalesce(sum(sockets), 0)
  from event where type in ('signed_in', '${socketOpened}')
  group by tenant_id order by tenant_id
  on conflict (tenant_id, day) do update
  set sign_ins = u.sign_ins + excluded.sign_ins, sockets = u.sockets + excluded.sockets
)
insert into events (tenant_id, at, type, actor, api_key_id, user_id, session_id, address, user_agent, detail)
select tenant_id, now() - make_interval(secs => age), type, actor, api_key_id, user_id, session_id,
  case when known then address end, case when known then user_agent end, detail
from event cross join lateral (
  select type = 'user_erased' or user_id is null or exists (select from users where id = user_id offset 0) as known
) user_known
where type <> '${socketOpened}'`

const listStatement = `
select id::float8 as id, (extract(epoch from at) * 1000)::float8 as at, type, actor, api_key_id,
  user_id::float8 as user_id, session_id, address, user_agent, detail
from events
where tenant_id = $1 and ($2::bigint is null or id < $2)
order by events.id desc limit $3`

const EventRow = Schema.Struct({
  id: Schema.Finite,
  at: Schema.Finite,
  type: Schema.String,
  actor: ActorKind,
  api_key_id: Schema.NullOr(ApiKeyId),
  user_id: Schema.NullOr(UserId),
  session_id: Schema.NullOr(SessionId),
  address: Schema.NullOr(Schema.String),
  user_agent: Schema.NullOr(Schema.String),
  detail: Schema.NullOr(AuditDetail)
})

const toRecord = (row: typeof EventRow.Type): AuditRecord => ({
  id: row.id,
  at: Math.floor(row.at),
  type: row.type,
  actor: { kind: row.actor, apiKeyId: row.api_key_id },
  userId: row.user_id,
  sessionId: row.session_id,
  address: row.address,
  userAgent: row.user_agent,
  detail: row.detail
})

const countStatement = `
select (select count(*) from users where tenant_id = $1)::float8 as users, (
  select count(*) from users u join sessions s on s.user_id = u.id
  where u.tenant_id = $1 and s.ended_at is null and s.refresh_expires_at > now() and s.expires_at > now()
)::float8 as live_sessions`

const CountRow = Schema.Struct({ users: Schema.Finite, live_sessions: Schema.Finite })

const periodStatement = (format: string, limit: number) => `
select to_char(day, '${format}') as period, sum(sign_ins)::float8 as sign_ins, sum(sockets)::float8 as sockets
from usage_days where tenant_id = $1 group by 1 order by 1 desc limit ${limit}`

const daysStatement = periodStatement("YYYY-MM-DD", 31)
const monthsStatement = periodStatement("YYYY-MM", 12)

const PeriodRow = Schema.Struct({ period: Schema.String, sign_ins: Schema.Finite, sockets: Schema.Finite })

const toPeriod = (row: typeof PeriodRow.Type): PeriodUsage => ({
  period: row.period,
  signIns: row.sign_ins,
  sockets: row.sockets
})

interface Waiting {
  readonly at: number
  readonly row: Readonly<Record<string, unknown>>
}

export const layer: Layer.Layer<AuditLog, never, PgClient> = Layer.effect(
  AuditLog,
  Effect.gen(function* () {
    const { attempt, scanning, sql } = yield* Queries
    const clock = yield* Clock.Clock
    const context = yield* Effect.context<never>()
    const eventRows = rows(EventRow)
    const countRows = rows(CountRow)
    const periodRows = rows(PeriodRow)
    const waiting: Array<Waiting> = []
    /** Of those that wait, the sockets of each tenant that no statement has been sent with. */
    const opened = new Map<TenantId, { sockets: number }>()

    const push = (row: Waiting["row"]): void => {
      if (waiting.length >= maxWaiting) return auditDropped.updateUnsafe(1, context)
      waiting.push({ at: clock.currentTimeMillisUnsafe(), row })
      wanted()
    }

    /** A tenant's sockets of one moment are one row, however many. */
    const countSocket = (tenantId: TenantId): void => {
      const counted = opened.get(tenantId)
      if (counted !== undefined) {
        counted.sockets++
        return
      }
      const row = { tenant_id: tenantId, type: socketOpened, sockets: 1 }
      if (waiting.length < maxWaiting) opened.set(tenantId, row)
      push(row)
    }

    /** What could not be written waits on; what the database will not have is given up, or it would block the rest. */
    const { flush, wanted } = yield* Later.make(Effect.gen(function* () {
      for (let left = waiting.length; left > 0;) {
        const batch = waiting.slice(0, Math.min(left, batchSize))
        opened.clear()
        const now = clock.currentTimeMillisUnsafe()
        const json = JSON.stringify(batch.map(({ at, row }) => ({ ...row, age: (now - at) / 1000 })))
        yield* attempt("writeEvents", sql.unsafe(writeEventsStatement, [json])).pipe(
          Effect.catchDefect((defect) =>
            Effect.logError("Events not written", defect).pipe(
              Effect.andThen(Metric.update(auditDropped, batch.length))
            )
          )
        )
        waiting.splice(0, batch.length)
        left -= batch.length
      }
    }))

    return AuditLog.of({
      record: Effect.fnUntraced(function* (event) {
        const caller = yield* Caller
        const actor = yield* Actor
        push({
          tenant_id: event.tenantId,
          type: event.type,
          actor: actor.kind,
          api_key_id: actor.apiKeyId,
          user_id: event.userId,
          session_id: event.sessionId,
          address: caller.address,
          user_agent: caller.userAgent,
          detail: event.detail
        })
      }),
      countSocket,
      list: Effect.fnUntraced(function* (tenantId, { before, limit }) {
        yield* flush
        const found = yield* attempt(
          "listEvents",
          sql.unsafe(listStatement, [tenantId, before ?? null, limit + 1]).pipe(Effect.flatMap(eventRows))
        )
        const items = found.slice(0, limit).map(toRecord)
        return { items, next: found.length > limit ? items[items.length - 1]?.id ?? null : null }
      }),
      usage: Effect.fnUntraced(function* (tenantId) {
        yield* flush
        return yield* attempt(
          "usage",
          scanning(tenantId)(Effect.gen(function* () {
            const [counts] = yield* Effect.flatMap(sql.unsafe(countStatement, [tenantId]), countRows)
            const days = yield* Effect.flatMap(sql.unsafe(daysStatement, [tenantId]), periodRows)
            const months = yield* Effect.flatMap(sql.unsafe(monthsStatement, [tenantId]), periodRows)
            return {
              users: counts?.users ?? 0,
              liveSessions: counts?.live_sessions ?? 0,
              days: days.map(toPeriod),
              months: months.map(toPeriod)
            }
          }))
        )
      })
    })
  })
).pipe(Layer.provide(Queries.layer))
