// What is over goes, in small batches; what lives, or was over only a moment ago, stays.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { createUser } from "../../src/flows/users/CreateUser.ts"
import { createChannel } from "../../src/flows/channels/CreateChannel.ts"
import { deleteTenant } from "../../src/flows/tenants/DeleteTenant.ts"
import { ChannelName } from "../../src/domain/Channel.ts"
import { Queries } from "../../src/postgres/Query.ts"
import { sweep } from "../../src/postgres/Sweeps.ts"
import * as World from "../support/World.ts"

const count = (table: "sessions" | "users" | "channels" | "events" | "tenants" | "tickets", where: string) =>
  Effect.flatMap(PgClient, (sql) =>
    Effect.map(
      sql.unsafe<{ count: number }>(`select count(*)::int as count from ${table} where ${where}`),
      ([row]) => row!.count
    ))

/** Turns, until nothing more can go: the first ends a round, the next makes one whole. */
const turns = Effect.replicateEffect(Effect.repeat(sweep(0), { while: (unfinished) => unfinished }), 3).pipe(
  Effect.provide(Queries.layer)
)

layer(World.layer(), { timeout: "60 seconds" })("sweeps", (it) => {
  it.effect("remove sessions that ended or expired a week ago, and no other", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { apiKey } = yield* World.makeTenant()
      const age = (column: string, days: number, id: string) =>
        sql.unsafe(`update sessions set ${column} = now() - make_interval(days => $2) where id = $1`, [id, days])
      const open = Effect.map(World.signIn(apiKey, "ada"), ({ sessionId }) => sessionId)
      const gone = [yield* open, yield* open, yield* open]
      yield* age("ended_at", 8, gone[0]!)
      yield* age("refresh_expires_at", 8, gone[1]!)
      yield* age("expires_at", 8, gone[2]!)
      const stays = [yield* open, yield* open, yield* open]
      yield* age("ended_at", 6, stays[0]!)
      yield* age("refresh_expires_at", 6, stays[1]!)
      yield* turns
      const left = yield* sql<{ id: string }>`select id from sessions where id in ${
        sql.in([...gone, ...stays])
      } order by id`
      assert.deepEqual(left.map(({ id }) => id), [...stays].sort())
    }))

  it.effect("remove tickets that are over, and no other, a few at a time", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      yield* sql`insert into tickets (digest, session_id, expires_at)
        select sha256(n::text::bytea), gen_random_uuid(), now() + make_interval(secs => case when n > 300 then 30 else 0 end)
        from generate_series(1, 310) n`
      assert.isTrue(yield* sweep(0).pipe(Effect.provide(Queries.layer)), "so many are not removed at once")
      assert.strictEqual(yield* count("tickets", "true"), 60)
      yield* turns
      assert.deepEqual([yield* count("tickets", "true"), yield* count("tickets", "expires_at > now()")], [10, 10])
    }))

  it.effect("take turns: within the pause a second instance does nothing", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { apiKey } = yield* World.makeTenant()
      yield* turns
      const { sessionId } = yield* World.signIn(apiKey, "ada")
      yield* sql`update sessions set ended_at = now() - interval '8 days' where id = ${sessionId}`
      yield* sql`update sweeps set position = '00000000-0000-0000-0000-000000000000'`
      yield* sweep(60).pipe(Effect.provide(Queries.layer))
      assert.strictEqual(yield* count("sessions", `id = '${sessionId}'`), 1)
      yield* sweep(0).pipe(Effect.provide(Queries.layer))
      assert.strictEqual(yield* count("sessions", `id = '${sessionId}'`), 0)
    }))

  it.effect("go on where one of them fails", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { apiKey } = yield* World.makeTenant()
      const { sessionId } = yield* World.signIn(apiKey, "ada")
      yield* sql`update sessions set ended_at = now() - interval '8 days' where id = ${sessionId}`
      yield* sql`alter table events rename to elsewhere`
      yield* turns
      yield* sql`alter table elsewhere rename to events`
      assert.strictEqual(yield* count("sessions", `id = '${sessionId}'`), 0)
    }))

  it.effect("remove much of a deleted tenant a little at a time, the tenant last, and say when they are not done", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { apiKey, id } = yield* World.makeTenant()
      const { user } = yield* World.signIn(apiKey, "ada")
      yield* sql`insert into sessions
        (id, user_id, access_digest, access_expires_at, refresh_digest, refresh_expires_at, expires_at, ended_at)
        select gen_random_uuid(), ${user.id}, '', now(), '', 'infinity', 'infinity', case when n > 300 then now() end
        from generate_series(1, 700) n`
      yield* sql`insert into events (tenant_id, at, type, actor)
        select ${id}, now(), 'signed_in', 'anyone' from generate_series(1, 1200)`
      yield* deleteTenant(id)
      yield* sql`update tenants set deleted_at = now() - interval '2 minutes' where id = ${id}`
      const left = count("sessions", `user_id = ${user.id}`)
      const once = sweep(0).pipe(Effect.provide(Queries.layer))
      assert.isTrue(yield* once, "so many are not removed at once")
      yield* Effect.repeat(once, { while: (unfinished) => unfinished })
      yield* once
      assert.deepEqual([yield* left, yield* count("tenants", `id = ${id}`)], [0, 0])
      assert.strictEqual(yield* count("events", `tenant_id = ${id}`), 0)
    }))

  it.effect("remove what a deleted tenant leaves behind, and nothing of another's", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const [tenant, second, other] = [yield* World.makeTenant(), yield* World.makeTenant(), yield* World.makeTenant()]
      for (const { apiKey, id } of [tenant, second, other]) {
        const { user } = yield* World.signIn(apiKey, "ada")
        yield* createUser(id, { username: World.username("bob") }, undefined)
        yield* createChannel(id, user.id, ChannelName.make("Lobby"))
      }
      for (const { id } of [tenant, second]) yield* deleteTenant(id)
      yield* turns
      assert.strictEqual(yield* count("users", `tenant_id = ${tenant.id}`), 2, "not while sign-ins may be on their way")
      yield* sql`update tenants set deleted_at = now() - interval '2 minutes' where id in ${
        sql.in([tenant.id, second.id])
      }`
      yield* turns
      const left = (id: number) =>
        Effect.all([
          count("tenants", `id = ${id}`),
          count("users", `tenant_id = ${id}`),
          count("channels", `tenant_id = ${id}`)
        ])
      for (const { id } of [tenant, second]) assert.deepEqual(yield* left(id), [0, 0, 0])
      assert.deepEqual(yield* left(other.id), [1, 2, 1])
      assert.strictEqual(yield* count("sessions", "user_id not in (select id from users)"), 0)
    }))
})
