// Voice rooms: what was decided about channels and about users in them, and who is in which, on which instance. The
// latter is unlogged: a crash forgets it, every instance writes its members again, and no join waits for the disk.
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"

const statements = [
  `alter table channels
    add column default_role text not null default 'guest',
    add column who_may_speak text not null default 'everyone'`,
  `create table channel_standings (
    channel_id bigint not null references channels on delete cascade,
    user_id bigint not null references users on delete cascade,
    role text,
    muted_by text,
    removed_at timestamptz,
    primary key (channel_id, user_id)
  )`,
  `create index channel_standings_user on channel_standings (user_id)`,
  `create unlogged table nodes (
    id uuid primary key,
    beat_at timestamptz not null,
    steady_since timestamptz not null,
    written bigint not null default 0
  ) with (fillfactor = 50)`,
  // Neither channel nor user is referred to: checking that would write locks into rows that are kept on disk.
  `create unlogged table members (
    connection_id uuid primary key,
    node_id uuid not null references nodes on delete cascade,
    channel_id bigint not null,
    user_id bigint not null,
    role text not null,
    muted_by_itself boolean not null,
    muted_by text,
    speaking boolean not null
  ) with (fillfactor = 70)`,
  `create index members_channel on members (channel_id)`,
  `create index members_node on members (node_id)`
]

export default Effect.gen(function* () {
  const sql = yield* SqlClient
  for (const statement of statements) yield* sql.unsafe(statement)
})
