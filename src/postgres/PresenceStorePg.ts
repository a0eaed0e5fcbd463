// Who is in which channel, in PostgreSQL. The rows are unlogged: after a crash of the server they are gone, the lease with
// them, and each instance, finding that, writes its members again.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option, Schema } from "effect"
import type { Row } from "effect/sql/SqlConnection"
import { ChannelNotFound, type Member, MutedBy } from "../domain/Channel.ts"
import { ChannelId, UserId } from "../domain/Ids.ts"
import { Role } from "../domain/Role.ts"
import { Metadata } from "../domain/User.ts"
import { type PresenceChange, PresenceStore, type RemoteMember } from "../services/PresenceStore.ts"
import { NodeId } from "./NodeId.ts"
import { Queries, rows } from "./Query.ts"
import { channel, idsPerNotice, membersChanged, membersRemoved, relayParts } from "./RoomNotices.ts"

/** Seconds after its last beat that an instance, and its members with it, count as gone. */
const lease = 6

/** Members of instances that went, and who is told of them. */
const removal = (dead: string) => `
dead as (${dead}), gone as (
  delete from members m using dead where m.node_id = dead.id returning m.channel_id, m.connection_id
), told as (
  select ${membersRemoved("channel_id", "string_agg(connection_id::text, ',')")}
  from (select *, row_number() over (partition by channel_id) / ${idsPerNotice} as part from gone) g
  group by channel_id, part
)`

/**
 * $1 this instance. It judges others only once it has beaten for as long as a lease without a gap: after the database was
 * away for everybody, whoever is back first may not take the others for dead.
 */
const beatStatement = `
with beat as (
  insert into nodes as n (id, beat_at, steady_since) values ($1::uuid, now(), now())
  on conflict (id) do update set
    beat_at = now(),
    steady_since = case when n.beat_at > now() - interval '${lease} seconds' then n.steady_since else now() end
  returning xmax = 0 as is_new, steady_since < now() - interval '${lease} seconds' as is_steady
), ${
  removal(`
  delete from nodes where id in (
    select nodes.id from nodes, beat
    where is_steady and nodes.id <> $1 and beat_at < now() - interval '${lease} seconds'
    for update of nodes skip locked
  )
  returning id`)
}
select is_new, (select count(*) from told)::float8 as told from beat`

const BeatRow = Schema.Struct({ is_new: Schema.Boolean })

const leaveStatement = `
with ${removal("delete from nodes where id = $1::uuid returning id")}
select count(*)::float8 as told from told`

/**
 * $1 this instance, $2 connections that are in no channel any more, $3 a JSON array of members, $4 notices, $5 the number
 * of this writing. One that was given up, and arrives after the next, finds that and does nothing.
 */
const writeStatement = `
with turn as (
  update nodes set written = $5::bigint where id = $1::uuid and written < $5 returning id
), gone as (
  delete from members m using turn where m.connection_id = any($2::uuid[])
), put as (
  insert into members (connection_id, node_id, channel_id, user_id, role, muted_by_itself, muted_by, speaking)
  select connection_id, turn.id, channel_id, user_id, role, muted_by_itself, muted_by, speaking
  from turn, jsonb_to_recordset($3::jsonb) as m (
    connection_id uuid, channel_id bigint, user_id bigint, role text, muted_by_itself boolean, muted_by text,
    speaking boolean
  )
  on conflict (connection_id) do update set
    channel_id = excluded.channel_id, role = excluded.role, muted_by_itself = excluded.muted_by_itself,
    muted_by = excluded.muted_by, speaking = excluded.speaking
)
select (select count(pg_notify('${channel}', notice)) from unnest($4::text[]) notice)::float8 as told from turn`

const memberColumns = `m.connection_id, m.channel_id::float8 as channel_id, m.node_id, m.role, m.muted_by_itself,
  m.muted_by, m.speaking, u.id::float8 as user_id, u.username, u.custom_id, u.picture_url, u.metadata`

/** $1 this instance, $2 channels, $3 connections. */
const readOthersStatement = `
select ${memberColumns} from members m join users u on u.id = m.user_id
where (m.channel_id = any($2::bigint[]) or m.connection_id = any($3::uuid[])) and m.node_id <> $1::uuid`

/** $1 tenant, $2 channel. A channel without members answers a row without one. */
const listStatement = `
select ${memberColumns} from channels c
left join (members m join users u on u.id = m.user_id) on m.channel_id = c.id
where c.tenant_id = $1::bigint and c.id = $2::bigint
order by u.id, m.connection_id`

const MemberRow = Schema.Struct({
  connection_id: Schema.String,
  channel_id: ChannelId,
  node_id: Schema.String,
  role: Role,
  muted_by_itself: Schema.Boolean,
  muted_by: Schema.NullOr(MutedBy),
  speaking: Schema.Boolean,
  user_id: UserId,
  username: Schema.String,
  custom_id: Schema.NullOr(Schema.String),
  picture_url: Schema.NullOr(Schema.String),
  metadata: Schema.NullOr(Metadata)
})

const decodeMember = Schema.decodeUnknownOption(MemberRow)

const toMember = (row: typeof MemberRow.Type): RemoteMember => ({
  connectionId: row.connection_id,
  channelId: row.channel_id,
  nodeId: row.node_id,
  user: {
    id: row.user_id,
    username: row.username,
    customId: row.custom_id,
    pictureUrl: row.picture_url,
    metadata: row.metadata
  },
  role: row.role,
  mutedByItself: row.muted_by_itself,
  mutedBy: row.muted_by,
  speaking: row.speaking
})

const toRow = (member: Member) => ({
  connection_id: member.connectionId,
  channel_id: member.channelId,
  user_id: member.user.id,
  role: member.role,
  muted_by_itself: member.mutedByItself,
  muted_by: member.mutedBy,
  speaking: member.speaking
})

const membersOf = (changes: ReadonlyArray<PresenceChange>): ReadonlyArray<Member> =>
  changes.flatMap(({ member }) => member === undefined ? [] : [member])

export const layer: Layer.Layer<PresenceStore, never, PgClient> = Layer.effect(
  PresenceStore,
  Effect.gen(function* () {
    const { attempt, sql } = yield* Queries
    const nodeId = yield* NodeId
    const beatRows = rows(BeatRow)
    /** A row of a newer version that runs beside this one is none for it. */
    const readRows = (found: ReadonlyArray<unknown>): ReadonlyArray<RemoteMember> =>
      found.flatMap((row) =>
        Option.match(decodeMember(row), { onNone: () => [], onSome: (known) => [toMember(known)] })
      )
    let relayed = 0
    let written = 0

    return PresenceStore.of({
      beat: Effect.map(
        attempt("beat", Effect.flatMap(sql.unsafe(beatStatement, [nodeId]), beatRows)),
        ([row]) => row?.is_new ?? true
      ),
      write: (changes, relays) =>
        Effect.suspend(() => {
          const members = membersOf(changes)
          const notices = membersChanged(nodeId, changes)
          for (const relay of relays) notices.push(...relayParts(relay, nodeId, relayed++))
          return attempt(
            "writeMembers",
            sql.unsafe(writeStatement, [
              nodeId,
              changes.filter(({ member }) => member === undefined).map(({ connectionId }) => connectionId),
              JSON.stringify(members.map(toRow)),
              notices,
              ++written
            ])
          )
        }).pipe(Effect.map((turns) => turns.length > 0)),
      readOthers: (channelIds, connectionIds) =>
        attempt(
          "readMembers",
          sql.unsafe(readOthersStatement, [nodeId, channelIds, connectionIds])
        ).pipe(Effect.map(readRows)),
      list: Effect.fnUntraced(function* (tenantId, channelId) {
        const found = yield* attempt("listMembers", sql.unsafe<Row>(listStatement, [tenantId, channelId]))
        if (found.length === 0) return yield* new ChannelNotFound()
        return readRows(found.filter((row) => row["connection_id"] !== null))
      }),
      leave: Effect.asVoid(attempt("leaveNodes", sql.unsafe(leaveStatement, [nodeId])))
    })
  })
).pipe(Layer.provide([Queries.layer, NodeId.layer]))
