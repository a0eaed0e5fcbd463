// Channels in PostgreSQL, and what was decided about users in them. What a host may do to whom is looked up in the
// statement that does it, which also tells every instance.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Schema } from "effect"
import {
  type Admission,
  ChannelNotFound,
  type ChannelRecord,
  MutedBy,
  NotAllowed,
  NotAllowedReason,
  type Standing
} from "../domain/Channel.ts"
import { ChannelId, type TenantId, UserId } from "../domain/Ids.ts"
import { DefaultRole, Role, WhoMaySpeak } from "../domain/Role.ts"
import { UserNotFound } from "../domain/User.ts"
import { ChannelRepository } from "../services/ChannelRepository.ts"
import { Queries, rows } from "./Query.ts"
import { decisionsChanged } from "./RoomNotices.ts"

const channelColumns = `id::float8 as id, name, created_by::float8 as created_by, default_role, who_may_speak,
  (extract(epoch from created_at) * 1000)::float8 as created_at`

const ChannelRow = Schema.Struct({
  id: ChannelId,
  name: Schema.String,
  created_by: Schema.NullOr(UserId),
  default_role: DefaultRole,
  who_may_speak: WhoMaySpeak,
  created_at: Schema.Finite
})

const toChannel = (row: typeof ChannelRow.Type): ChannelRecord => ({
  id: row.id,
  name: row.name,
  createdBy: row.created_by,
  defaultRole: row.default_role,
  whoMaySpeak: row.who_may_speak,
  createdAt: Math.floor(row.created_at)
})

const createStatement = `
insert into channels (tenant_id, name, created_by, default_role, who_may_speak)
values ($1, $2, $3, coalesce($4, 'guest'), coalesce($5, 'everyone'))
returning ${channelColumns}`

const pageStatement = `
select ${channelColumns} from channels where tenant_id = $1 and id > $2 order by channels.id limit $3`

const changeStatement = `
with changed as (
  update channels set
    name = coalesce($3::text, name),
    default_role = coalesce($4::text, default_role),
    who_may_speak = coalesce($5::text, who_may_speak)
  where tenant_id = $1::bigint and id = $2::bigint
  returning *
), told as (
  select ${decisionsChanged("id", "null")} from changed where $4 is not null or $5 is not null
)
select ${channelColumns} from changed left join told on true`

/** Who runs the channel: who was made a host, or made it and was given no other role, and was not removed. */
const isHost = (standing: string, isCreator: string) =>
  `(${standing}.removed_at is null and coalesce(${standing}.role = 'host', coalesce(${isCreator}, false)))`

/** $1 tenant, $2 channel, $3 the user who asks, or `null` for the tenant. */
const removeStatement = `
with found as (
  select c.id, $3::bigint is null or ${isHost("s", "c.created_by = $3")} as allowed
  from channels c left join channel_standings s on s.channel_id = c.id and s.user_id = $3
  where c.tenant_id = $1::bigint and c.id = $2::bigint
), removed as (
  delete from channels c using found where c.id = found.id and found.allowed returning c.id
), told as (
  select ${decisionsChanged("id", "null")} from removed
)
select found.allowed, (select count(*) from told)::float8 as told from found`

const RemoveRow = Schema.Struct({ allowed: Schema.Boolean })

/** $1 tenant, $2 channel, $3 users, $4 a session of each. */
const admissionsStatement = `
select coalesce(c.created_by = w.user_id, false) as is_creator, c.default_role, c.who_may_speak, s.role, s.muted_by,
  coalesce(s.removed_at >= coalesce(e.created_at, '-infinity'), false) as removed
from channels c
cross join unnest($3::bigint[], $4::uuid[]) with ordinality as w (user_id, session_id, place)
left join channel_standings s on s.channel_id = c.id and s.user_id = w.user_id
left join sessions e on e.id = w.session_id
where c.tenant_id = $1::bigint and c.id = $2::bigint
order by w.place`

const standingFields = {
  role: Schema.NullOr(Role),
  muted_by: Schema.NullOr(MutedBy),
  removed: Schema.Boolean
}

const AdmissionRow = Schema.Struct({
  is_creator: Schema.Boolean,
  default_role: DefaultRole,
  who_may_speak: WhoMaySpeak,
  ...standingFields
})

const toStanding = (row: Schema.Struct.Type<typeof standingFields>): Standing => ({
  role: row.role,
  mutedBy: row.muted_by,
  removed: row.removed
})

const toAdmission = (row: typeof AdmissionRow.Type): Admission => ({
  claim: {
    standing: row.role,
    isCreator: row.is_creator,
    defaultRole: row.default_role,
    whoMaySpeak: row.who_may_speak
  },
  standing: toStanding(row)
})

/** $1 tenant, $2 channel, $3 user. */
const standingStatement = `
select u.id is not null as user_found, s.role, s.muted_by, s.removed_at is not null as removed
from channels c
left join users u on u.id = $3::bigint and u.tenant_id = c.tenant_id
left join channel_standings s on s.channel_id = c.id and s.user_id = u.id
where c.tenant_id = $1::bigint and c.id = $2::bigint`

const StandingRow = Schema.Struct({ user_found: Schema.Boolean, ...standingFields })

/**
 * $1 tenant, $2 channel, $3 user, $4 who asks or `null` for the tenant, $5 whether the role changes, $6 the role, $7 muted,
 * $8 removed; `null` leaves as it is, and what is so already is not written. Only who made the channel rules over its other hosts, whom nobody but the tenant
 * mutes; and a host undoes no mute of the tenant's.
 */
const changeStandingStatement = `
with facts as (
  select c.id as channel_id, u.id as user_id, t.channel_id is not null as has_standing, t.role, t.muted_by, t.removed_at,
    $4::bigint is null as by_tenant,
    ${isHost("a", "c.created_by = $4")} as by_host,
    coalesce(c.created_by = $4, false) and coalesce(c.created_by <> $3::bigint, true) as by_creator,
    ${isHost("t", "c.created_by = $3")} as of_host
  from channels c
  left join users u on u.id = $3 and u.tenant_id = c.tenant_id
  left join channel_standings t on t.channel_id = c.id and t.user_id = u.id
  left join channel_standings a on a.channel_id = c.id and a.user_id = $4
  where c.tenant_id = $1::bigint and c.id = $2::bigint
), verdict as (
  select *, case
    when user_id is null or by_tenant then null
    when not by_host then 'not_host'
    when of_host and (not by_creator or $7::boolean is not null) then 'target_is_host'
    when $7 is false and muted_by = 'tenant' then 'muted_by_tenant'
  end as refused
  from facts
), changed as (
  insert into channel_standings as s (channel_id, user_id, role, muted_by, removed_at)
  select channel_id, user_id, $6::text,
    case when $7 then case when by_tenant then 'tenant' else 'host' end end,
    case when $8::boolean then now() end
  from verdict
  where refused is null and user_id is not null and (has_standing or $6 is not null or $7 is true or $8 is true)
  on conflict (channel_id, user_id) do update set
    role = case when $5::boolean then excluded.role else s.role end,
    muted_by = case
      when $7 is null or (s.muted_by = 'tenant' and ($7 or $4 is not null)) then s.muted_by
      else excluded.muted_by
    end,
    removed_at = case when $8 is null then s.removed_at else excluded.removed_at end
  where ($5 and s.role is distinct from excluded.role)
    or ($7 is not null and s.muted_by is distinct from excluded.muted_by and (s.muted_by is distinct from 'tenant' or not $7))
    or $8 is true or ($8 is false and s.removed_at is not null)
  returning s.*
), told as (
  select ${decisionsChanged("channel_id", "user_id")} from changed
)
select v.user_id is not null as user_found, v.refused, c.channel_id is not null as is_new,
  case when c.channel_id is null then v.role else c.role end as role,
  case when c.channel_id is null then v.muted_by else c.muted_by end as muted_by,
  case when c.channel_id is null then v.removed_at else c.removed_at end is not null as removed
from verdict v left join changed c on true left join told on true`

const ChangedStandingRow = Schema.Struct({
  ...StandingRow.fields,
  refused: Schema.NullOr(NotAllowedReason),
  is_new: Schema.Boolean
})

export const layer: Layer.Layer<ChannelRepository, never, PgClient> = Layer.effect(
  ChannelRepository,
  Effect.gen(function* () {
    const { attempt, sql } = yield* Queries
    const channelRows = rows(ChannelRow)
    const removeRows = rows(RemoveRow)
    const admissionRows = rows(AdmissionRow)
    const standingRows = rows(StandingRow)
    const changedStandingRows = rows(ChangedStandingRow)

    const list = (tenantId: TenantId) =>
      attempt(
        "listChannels",
        sql`select id::float8 as id, name from channels where tenant_id = ${tenantId} order by channels.id`.pipe(
          Effect.flatMap(rows(Schema.Struct({ id: ChannelId, name: Schema.String })))
        )
      )

    return ChannelRepository.of({
      list,
      page: (tenantId, { after, limit }) =>
        attempt(
          "pageChannels",
          Effect.flatMap(sql.unsafe(pageStatement, [tenantId, after, limit + 1]), channelRows)
        ).pipe(Effect.map((found) => {
          const items = found.slice(0, limit).map(toChannel)
          return { items, next: found.length > limit ? items[items.length - 1]?.id ?? null : null }
        })),
      create: Effect.fnUntraced(function* (tenantId, name, createdBy, settings = {}) {
        const [row] = yield* attempt(
          "createChannel",
          sql.unsafe(createStatement, [
            tenantId,
            name,
            createdBy,
            settings.defaultRole ?? null,
            settings.whoMaySpeak ?? null
          ]).pipe(Effect.flatMap(channelRows))
        )
        return row === undefined ? yield* Effect.die("createChannel: no row") : toChannel(row)
      }),
      change: Effect.fnUntraced(function* (tenantId, channelId, change) {
        const [row] = yield* attempt(
          "changeChannel",
          sql.unsafe(changeStatement, [
            tenantId,
            channelId,
            change.name ?? null,
            change.defaultRole ?? null,
            change.whoMaySpeak ?? null
          ]).pipe(Effect.flatMap(channelRows))
        )
        return row === undefined ? yield* new ChannelNotFound() : toChannel(row)
      }),
      remove: Effect.fnUntraced(function* (tenantId, channelId, by) {
        const [row] = yield* attempt(
          "removeChannel",
          sql.unsafe(removeStatement, [tenantId, channelId, by]).pipe(Effect.flatMap(removeRows))
        )
        if (row === undefined) return yield* new ChannelNotFound()
        if (!row.allowed) return yield* new NotAllowed({ reason: "not_host" })
      }),
      admissions: Effect.fnUntraced(function* (tenantId, channelId, candidates) {
        const found = yield* attempt(
          "admissions",
          sql.unsafe(admissionsStatement, [
            tenantId,
            channelId,
            candidates.map(({ userId }) => userId),
            candidates.map(({ sessionId }) => sessionId)
          ]).pipe(Effect.flatMap(admissionRows))
        )
        return found.length === 0 ? yield* new ChannelNotFound() : found.map(toAdmission)
      }),
      standing: Effect.fnUntraced(function* (tenantId, channelId, userId) {
        const [row] = yield* attempt(
          "standing",
          sql.unsafe(standingStatement, [tenantId, channelId, userId]).pipe(Effect.flatMap(standingRows))
        )
        if (row === undefined) return yield* new ChannelNotFound()
        return row.user_found ? toStanding(row) : yield* new UserNotFound()
      }),
      changeStanding: Effect.fnUntraced(function* (tenantId, channelId, userId, change, by) {
        const [row] = yield* attempt(
          "changeStanding",
          sql.unsafe(changeStandingStatement, [
            tenantId,
            channelId,
            userId,
            by,
            change.role !== undefined,
            change.role ?? null,
            change.muted ?? null,
            change.removed ?? null
          ]).pipe(Effect.flatMap(changedStandingRows))
        )
        if (row === undefined) return yield* new ChannelNotFound()
        if (!row.user_found) return yield* new UserNotFound()
        if (row.refused !== null) return yield* new NotAllowed({ reason: row.refused })
        return { standing: toStanding(row), isNew: row.is_new }
      })
    })
  })
).pipe(Layer.provide(Queries.layer))
