// What is committed is heard in its order, and nothing else; a connection that was lost is a gap before it is heard again.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Queue } from "effect"
import { type Channel, channels, Notifications } from "../../src/postgres/Notifications.ts"
import * as Database from "../support/Database.ts"

const gap = "(gap)"

const notify = (channel: Channel, payload: string) =>
  Effect.flatMap(PgClient, (sql) => sql`select pg_notify(${channel}, ${payload})`)

const listenTo = Effect.fnUntraced(function* (channel: Channel) {
  const { hear } = yield* Notifications
  const heard = yield* Queue.unbounded<string>()
  const lag = yield* hear(channel, {
    beatEvery: Duration.millis(20),
    onGap: Queue.offer(heard, gap),
    onPayload: (payload) => Queue.offer(heard, payload)
  })
  while (lag() === Infinity) yield* Effect.sleep(1)
  const isServer = (yield* Queue.clear(heard)).includes(gap)
  return { heard, lag, isServer }
})

layer(Database.layer, { timeout: "60 seconds", excludeTestServices: true })("Notifications", (it) => {
  it.effect("brings what is committed, in order, to those who hear its channel", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const [sessions, rooms] = yield* Effect.forEach(channels, listenTo)
      yield* notify("roomkey", "one")
      yield* notify("roomkey_rooms", "of a room")
      yield* sql.withTransaction(Effect.andThen(notify("roomkey", "never"), Effect.fail("rolled back"))).pipe(
        Effect.ignore
      )
      yield* sql.withTransaction(Effect.andThen(notify("roomkey", "two"), notify("roomkey", "ünd drei")))
      yield* notify("roomkey", "")
      assert.deepStrictEqual(yield* Queue.takeN(sessions!.heard, 4), ["one", "two", "ünd drei", ""])
      assert.deepStrictEqual(yield* Queue.take(rooms!.heard), "of a room")
    }).pipe(Effect.scoped))

  it.effect("is heard for as long as its scope", () =>
    Effect.gen(function* () {
      const { heard } = yield* Effect.scoped(listenTo("roomkey"))
      const still = yield* listenTo("roomkey")
      yield* notify("roomkey", "now")
      assert.strictEqual(yield* Queue.take(still.heard), "now")
      assert.deepStrictEqual(yield* Queue.clear(heard), [])
    }).pipe(Effect.scoped))

  it.effect("knows what it has heard, and says that it may have missed something before it hears again", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { heard, isServer, lag } = yield* listenTo("roomkey")
      if (!isServer) return assert.strictEqual(lag(), 0)
      const since = performance.now()
      yield* notify("roomkey", "said before")
      while (lag() > performance.now() - since) yield* Effect.sleep(1)
      assert.deepStrictEqual(yield* Queue.clear(heard), ["said before"])
      yield* sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and query ilike 'listen%' and pid <> pg_backend_pid()`
      while (lag() !== Infinity) yield* Effect.sleep(1)
      yield* notify("roomkey", "missed")
      while (lag() === Infinity) yield* Effect.sleep(1)
      yield* notify("roomkey", "said after")
      assert.deepStrictEqual(yield* Queue.takeN(heard, 2), [gap, "said after"])
    }).pipe(Effect.scoped))
})
