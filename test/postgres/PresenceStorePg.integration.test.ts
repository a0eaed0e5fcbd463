// Members and leases in the database, as several instances write them. Time moves by columns.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { ChannelName, type Member } from "../../src/domain/Channel.ts"
import * as PresenceStorePg from "../../src/postgres/PresenceStorePg.ts"
import { ChannelRepository } from "../../src/services/ChannelRepository.ts"
import { PresenceStore } from "../../src/services/PresenceStore.ts"
import * as World from "../support/World.ts"

/** One more instance on the same database, that holds a lease. */
const instance = Effect.gen(function* () {
  const store = Context.get(yield* Layer.build(Layer.fresh(PresenceStorePg.layer)), PresenceStore)
  assert.isTrue(yield* store.beat)
  return store
})

/** Somebody in a channel of its own tenant. */
const someone = Effect.gen(function* () {
  const channels = yield* ChannelRepository
  const { apiKey, id: tenantId } = yield* World.makeTenant()
  const { user } = yield* World.signIn(apiKey, "ann", { metadata: { team: "red" } })
  const channel = yield* channels.create(tenantId, ChannelName.make("Lobby"), user.id)
  const member: Member = {
    connectionId: crypto.randomUUID(),
    channelId: channel.id,
    user,
    role: "host",
    mutedByItself: false,
    mutedBy: null,
    speaking: false
  }
  return { tenantId, channelId: channel.id, member }
})

const arrival = (member: Member) => ({
  connectionId: member.connectionId,
  member,
  channelIds: new Set([member.channelId])
})

const departure = ({ channelId, connectionId }: Member) => ({
  connectionId,
  member: undefined,
  channelIds: new Set([channelId])
})

/** As if nobody had beaten for so many seconds, and before that from the beginning. */
const age = (seconds: number) =>
  Effect.flatMap(PgClient, (sql) =>
    sql`update nodes set beat_at = beat_at - make_interval(secs => ${seconds}),
      steady_since = steady_since - make_interval(secs => ${seconds})`)

layer(World.layer(), { timeout: "60 seconds" })("PresenceStorePg", (it) => {
  it.effect("shows a member to the other instances as it is now, and not to its own", () =>
    Effect.gen(function* () {
      const [mine, other] = [yield* instance, yield* instance]
      const { channelId, member, tenantId } = yield* someone
      const { connectionId } = member
      for (
        const now of [member, { ...member, mutedBy: "host", speaking: true }, {
          ...member,
          mutedByItself: true
        }] as const
      ) {
        assert.isTrue(yield* mine.write([arrival(now)], []))
        const [seen] = yield* other.readOthers([channelId], [])
        const { nodeId: _, ...seenMember } = seen!
        assert.deepStrictEqual(seenMember, now)
        assert.deepStrictEqual(yield* other.readOthers([], [connectionId]), [seen!])
      }
      assert.deepStrictEqual(yield* mine.readOthers([channelId], [connectionId]), [])
      assert.strictEqual((yield* mine.list(tenantId, channelId)).length, 1)
      yield* mine.write([departure(member)], [])
      assert.deepStrictEqual(yield* other.readOthers([channelId], [connectionId]), [])
      assert.deepStrictEqual(yield* mine.list(tenantId, channelId), [])
    }))

  it.effect("lists the members of a channel to its own tenant only", () =>
    Effect.gen(function* () {
      const { channelId } = yield* someone
      const { tenantId } = yield* someone
      const error = yield* Effect.flip(Effect.flatMap(PresenceStore, (store) => store.list(tenantId, channelId)))
      assert.strictEqual(error._tag, "ChannelNotFound")
    }))

  it.effect("writes nothing without a lease, and says that there was none when it is taken again", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const mine = yield* instance
      const { channelId, member } = yield* someone
      assert.isFalse(yield* mine.beat)
      yield* mine.write([arrival(member)], [])
      yield* sql`truncate nodes cascade`
      assert.isFalse(yield* mine.write([arrival(member)], []))
      assert.isTrue(yield* mine.beat)
      assert.isTrue(yield* mine.write([arrival(member)], []))
      assert.strictEqual((yield* (yield* instance).readOthers([channelId], [])).length, 1)
    }))

  it.effect("does nothing by a writing that was given up and arrives after the next", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const mine = yield* instance
      const { channelId, member } = yield* someone
      yield* sql`update nodes set written = 1`
      assert.isFalse(yield* mine.write([arrival(member)], []))
      assert.deepStrictEqual(yield* (yield* instance).readOthers([channelId], []), [])
      assert.isTrue(yield* mine.write([arrival(member)], []))
      assert.strictEqual((yield* (yield* instance).readOthers([channelId], [])).length, 1)
    }))

  it.effect("removes the members of an instance that stopped beating, and of none that beats", () =>
    Effect.gen(function* () {
      const [mine, dead, alive] = [yield* instance, yield* instance, yield* instance]
      const [theirs, others] = [yield* someone, yield* someone]
      yield* dead.write([arrival(theirs.member)], [])
      yield* alive.write([arrival(others.member)], [])
      for (let second = 0; second < 8; second += 2) {
        yield* age(2)
        yield* alive.beat
        yield* mine.beat
      }
      const left = yield* mine.readOthers([theirs.channelId, others.channelId], [])
      assert.deepStrictEqual(left.map(({ connectionId }) => connectionId), [others.member.connectionId])
      assert.isTrue(yield* dead.beat)
    }))

  it.effect("judges nobody after the database was away for everybody, until it has beaten for a lease", () =>
    Effect.gen(function* () {
      const [mine, other] = [yield* instance, yield* instance]
      const { channelId, member } = yield* someone
      yield* other.write([arrival(member)], [])
      yield* age(60)
      for (let second = 0; second < 6; second += 2) {
        yield* mine.beat
        assert.strictEqual((yield* mine.readOthers([channelId], [])).length, 1)
        yield* age(2)
      }
      assert.isFalse(yield* other.beat)
    }))

  it.effect("gives up its members with its lease", () =>
    Effect.gen(function* () {
      const [mine, other] = [yield* instance, yield* instance]
      const { channelId, member } = yield* someone
      yield* mine.write([arrival(member)], [])
      yield* mine.leave
      assert.deepStrictEqual(yield* other.readOthers([channelId], []), [])
    }))
})
