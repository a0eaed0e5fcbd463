// A socket lives exactly as long as its session: whatever ends the one closes the other, and nothing else does.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Metric, Ref, Scope } from "effect"
import { Socket } from "effect/socket"
import { TestClock } from "effect/testing"
import { Event } from "../../src/domain/Event.ts"
import { socketCloses, sockets } from "../../src/Metrics.ts"
import type { SessionId } from "../../src/domain/Ids.ts"
import type { SessionRecord } from "../../src/domain/Session.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { Registry } from "../../src/ws/Registry.ts"
import { SocketPolicy } from "../../src/ws/SocketPolicy.ts"
import {
  fakeSocket,
  makeSessions,
  noIceServers,
  noRooms,
  openSocket,
  principal,
  record,
  sessionId
} from "../support/Sockets.ts"

/** A registry of its own, sessions to play with, and a way to open sockets that have said `ready`. */
const makeWorld = Effect.fnUntraced(function* (drainOver: Duration.Input, maxPerUser = 1000) {
  const sessions = yield* makeSessions
  const context = yield* Layer.build(
    Registry.layer.pipe(
      Layer.provideMerge(Layer.mergeAll(
        sessions.layer,
        noIceServers,
        EventBus.layerMemory,
        noRooms,
        Layer.effect(
          SocketPolicy,
          Effect.map(SocketPolicy, (policy) => ({
            ...policy,
            maxPerUser,
            drainOver: Duration.fromInputUnsafe(drainOver)
          }))
        )
      ))
    )
  )
  const open = Effect.fnUntraced(function* (n: number, expiresIn = 3600, options?: Parameters<typeof fakeSocket>[0]) {
    const fake = yield* fakeSocket(options)
    yield* openSocket(principal(sessionId(n), expiresIn), fake.wire).pipe(Effect.provideContext(context))
    const fiber = yield* Effect.forkChild(fake.gone)
    const first = yield* fake.next
    return { ...fake, fiber, first }
  })
  const publish = (event: Event) =>
    Effect.flatMap(EventBus, (bus) => bus.publish(event)).pipe(Effect.provideContext(context))
  const drain = Effect.flatMap(Registry, (registry) => registry.drain).pipe(Effect.provideContext(context))
  return { ...sessions, context, open, publish, drain }
})

/** Nobody moves the clock while a test's scope closes, so the registry of most tests drains in no time. */
const world = makeWorld(0)

const revoked = { code: 4401, reason: "session_revoked" }
const expired = { code: 4401, reason: "session_expired" }

describe("Registry", () => {
  it.effect("closes every socket of an ended session at once, and no other", () =>
    Effect.gen(function* () {
      const { open, publish } = yield* world
      const [a, b, other] = [yield* open(1), yield* open(1), yield* open(2)]
      yield* publish(Event.SessionsEnded({ sessionIds: [sessionId(1), sessionId(9)], reason: "logout" }))
      assert.deepStrictEqual([yield* a.next, yield* b.next], [revoked, revoked])
      yield* Fiber.join(a.fiber)
      yield* Fiber.join(b.fiber)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* other.rest, [])
    }))

  it.effect("tells a banned user so, and everybody else that the session was revoked", () =>
    Effect.gen(function* () {
      const { open, publish } = yield* world
      for (const reason of ["reuse", "evicted", "password_changed", "revoked"] as const) {
        const socket = yield* open(1)
        yield* publish(Event.SessionsEnded({ sessionIds: [sessionId(1)], reason }))
        assert.deepStrictEqual(yield* socket.next, revoked)
      }
      const socket = yield* open(1)
      yield* publish(Event.SessionsEnded({ sessionIds: [sessionId(1)], reason: "user_banned" }))
      assert.deepStrictEqual(yield* socket.next, { code: 4403, reason: "user_banned" })
    }))

  it.effect("looks at a session again of which it may have missed the end, and at no other that opens", () =>
    Effect.gen(function* () {
      const { asked, open, publish } = yield* world
      yield* open(1)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(asked, [])
      yield* publish(Event.SessionsEnded({ sessionIds: [sessionId(2)], reason: "logout" }))
      yield* Effect.forEach([1, 2, 3], (n) => open(n))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(asked, [[sessionId(2)]])
      yield* publish(Event.Gap())
      yield* TestClock.adjust("9 seconds")
      asked.length = 0
      yield* open(4)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(asked, [[sessionId(4)]])
      yield* TestClock.adjust("10 seconds")
      yield* Effect.forEach([2, 5], (n) => open(n))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(asked, [[sessionId(4)]])
    }))

  it.effect("closes a socket whose session ended between its handshake and its registration", () =>
    Effect.gen(function* () {
      const { open, publish, rows } = yield* world
      yield* Ref.set(rows, (id) => record(id, 3600, { endReason: "logout" }))
      yield* publish(Event.SessionsEnded({ sessionIds: [sessionId(1)], reason: "logout" }))
      const socket = yield* open(1)
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(yield* socket.next, revoked)
    }))

  it.effect("closes by what the row says: gone, banned, tenant suspended", () =>
    Effect.gen(function* () {
      const { open, publish, rows } = yield* world
      const cases: ReadonlyArray<readonly [(id: SessionId) => SessionRecord | undefined, unknown]> = [
        [() => undefined, revoked],
        [(id) => record(id, 3600, { userBanned: true }), { code: 4403, reason: "user_banned" }],
        [(id) => record(id, 3600, { endReason: "user_banned" }), { code: 4403, reason: "user_banned" }],
        [(id) => record(id, 3600, { tenantSuspended: true }), { code: 4403, reason: "tenant_suspended" }],
        [(id) => record(id, 3600, { sessionLeft: -1 }), expired]
      ]
      for (const [row, close] of cases) {
        yield* Ref.set(rows, row)
        const socket = yield* open(1)
        yield* publish(Event.Gap())
        yield* TestClock.adjust("500 millis")
        assert.deepStrictEqual(yield* socket.next, close)
      }
    }))

  it.effect("tells each socket once, five minutes before the session token ends, and closes it at the end", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 0, 2, 3, 0, 0))
      const { open, rows } = yield* world
      const end = Date.UTC(2026, 0, 2, 4, 0, 0)
      yield* Ref.set(rows, (id, now) => record(id, (end - now) / 1000))
      const [a, b] = [yield* open(1), yield* open(1)]
      yield* TestClock.adjust("3299 seconds")
      assert.deepStrictEqual([yield* a.rest, yield* b.rest], [[], []])
      yield* TestClock.adjust("2 seconds")
      const told = yield* a.next
      assert.deepStrictEqual(told, {
        type: "token_expiring",
        payload: { expires_at: "2026-01-02T04:00:00.000Z", expires_in: 300 }
      })
      assert.deepStrictEqual(yield* b.next, told)
      yield* TestClock.adjust("298 seconds")
      assert.deepStrictEqual([yield* a.rest, yield* b.rest], [[], []])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual([yield* a.next, yield* b.next], [expired, expired])
    }))

  it.effect("lets a socket live on when its session was refreshed, before or after it was told", () =>
    Effect.gen(function* () {
      const { open, rows } = yield* world
      let left = 3600
      yield* Ref.set(rows, (id) => record(id, left))
      const socket = yield* open(1)
      yield* TestClock.adjust("1 second")
      // Refreshed by another instance ten minutes before the end: not a word.
      left = 900
      yield* TestClock.adjust("3301 seconds")
      assert.deepStrictEqual(yield* socket.rest, [])
      left = 299
      yield* TestClock.adjust("601 seconds")
      assert.deepInclude(yield* socket.next, { type: "token_expiring" })
      // Refreshed only now: the end passes, and the next end is announced again.
      left = 3600
      yield* TestClock.adjust("300 seconds")
      assert.deepStrictEqual(yield* socket.rest, [])
      left = 299
      yield* TestClock.adjust("3301 seconds")
      assert.deepInclude(yield* socket.next, { type: "token_expiring" })
      left = 0
      yield* TestClock.adjust("300 seconds")
      assert.deepStrictEqual(yield* socket.next, expired)
    }))

  it.effect("announces the next end too where a session token lives shorter than the announcement is early", () =>
    Effect.gen(function* () {
      const { open, rows } = yield* world
      let left = 60
      yield* Ref.set(rows, (id) => record(id, left))
      const socket = yield* open(1, 60)
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* socket.next, { type: "token_expiring" })
      left = 59
      yield* TestClock.adjust("60 seconds")
      assert.deepInclude(yield* socket.next, { type: "token_expiring" })
    }))

  it.effect("does not tell a socket the same end again, whatever else makes it look", () =>
    Effect.gen(function* () {
      const { open, publish, rows } = yield* world
      yield* Ref.set(rows, (id) => record(id, 200))
      const first = yield* open(1, 200)
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* first.next, { type: "token_expiring" })
      yield* Ref.set(rows, (id) => record(id, 199))
      yield* publish(Event.Gap())
      const second = yield* open(1)
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* second.next, { type: "token_expiring" })
      assert.deepStrictEqual(yield* first.rest, [])
    }))

  it.effect("closes nothing while the database is away, and what is over as soon as it is back", () =>
    Effect.gen(function* () {
      const { away, open, rows } = yield* world
      yield* Ref.set(rows, (id) => record(id, id === sessionId(1) ? 10 : 3600))
      const [ending, living] = [yield* open(1, 10), yield* open(2)]
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* ending.next, { type: "token_expiring" })
      yield* Ref.set(away, "Away")
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual([yield* ending.rest, yield* living.rest], [[], []])
      yield* Ref.set(rows, (id) => record(id, id === sessionId(1) ? -51 : 3500))
      yield* Ref.set(away, "Here")
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual([yield* ending.next, yield* living.rest], [expired, []])
    }))

  it.effect("goes on after a turn that died", () =>
    Effect.gen(function* () {
      const { away, open, publish, rows } = yield* world
      const socket = yield* open(1)
      yield* publish(Event.Gap())
      yield* Ref.set(away, "Broken")
      yield* TestClock.adjust("1 second")
      yield* Ref.set(away, "Here")
      yield* Ref.set(rows, () => undefined)
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(yield* socket.next, revoked)
    }))

  it.effect("reads all that is due in one statement, and not again before it is due", () =>
    Effect.gen(function* () {
      const { asked, open, publish } = yield* world
      for (const n of [1, 2, 3, 3]) yield* open(n)
      yield* TestClock.adjust("3299 seconds")
      assert.deepStrictEqual(asked, [])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(asked, [[sessionId(1), sessionId(2), sessionId(3)]])
      yield* publish(Event.Gap())
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(asked.slice(1), [[sessionId(1), sessionId(2), sessionId(3)]])
    }))

  it.effect("reads every open session again within a second of a gap, in batches, and closes what has ended", () =>
    Effect.gen(function* () {
      const { asked, open, publish, rows } = yield* world
      const opened = yield* Effect.forEach(Array.from({ length: 501 }, (_, n) => n), (n) => open(n))
      yield* TestClock.adjust("1 second")
      asked.length = 0
      yield* Ref.set(rows, (id) => id === sessionId(17) ? undefined : record(id))
      yield* publish(Event.Gap())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(asked.map((ids) => ids.length), [500, 1])
      assert.deepStrictEqual(yield* opened[17]!.next, revoked)
      for (const [n, socket] of opened.entries()) if (n !== 17) assert.deepStrictEqual(yield* socket.rest, [])
    }))

  it.effect("forgets a socket that went away: nothing is read for it and nothing waits on it", () =>
    Effect.gen(function* () {
      const { asked, open, publish } = yield* world
      const before = (yield* Metric.value(sockets)).value
      const [gone, stays] = [yield* open(1), yield* open(2)]
      assert.strictEqual((yield* Metric.value(sockets)).value, before + 2)
      yield* gone.hangUp
      yield* Fiber.join(gone.fiber)
      assert.strictEqual((yield* Metric.value(sockets)).value, before + 1)
      yield* publish(Event.Gap())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(asked, [[sessionId(2)]])
      yield* publish(Event.SessionsEnded({ sessionIds: [sessionId(1), sessionId(2)], reason: "logout" }))
      assert.deepStrictEqual(yield* stays.next, revoked)
      assert.deepStrictEqual(yield* gone.rest, [])
    }))

  it.effect("looks no more at a socket that it has closed, and does not wait for one that is gone", () =>
    Effect.gen(function* () {
      const { asked, context, open, publish } = yield* world
      const closing = yield* open(1, 3600, { answersClose: false })
      yield* publish(Event.SessionsEnded({ sessionIds: [sessionId(1)], reason: "logout" }))
      assert.deepStrictEqual(yield* closing.next, revoked)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(asked, [])
      yield* closing.hangUp
      const fake = yield* fakeSocket()
      const gone = yield* Effect.gen(function* () {
        const registry = yield* Registry
        const connection = registry.add(principal(sessionId(2)), fake.wire)
        registry.remove(connection)
        return connection
      }).pipe(Effect.provideContext(context))
      gone.tell("{}")
      gone.close(new Socket.CloseEvent(4401))
      assert.deepStrictEqual(yield* fake.rest, [])
    }))

  it.effect("spreads the closes of a stop over its time, refuses new sockets, and waits for the last to go", () =>
    Effect.gen(function* () {
      const { drain, open } = yield* makeWorld("3 seconds")
      const opened = yield* Effect.forEach(Array.from({ length: 62 }, (_, n) => n), (n) => open(n))
      const draining = yield* Effect.forkChild(drain)
      const closes = Effect.map(
        Effect.forEach(opened, (socket) => socket.rest),
        (sent) => sent.flat().filter((frame) => (frame as { code?: number }).code === 1012).length
      )
      yield* TestClock.adjust("0 millis")
      assert.strictEqual(yield* closes, 2)
      yield* TestClock.adjust("1500 millis")
      assert.strictEqual(yield* closes, 30)
      const late = yield* open(99)
      assert.deepStrictEqual(late.first, { code: 1012, reason: "restarting" })
      yield* TestClock.adjust("1500 millis")
      assert.strictEqual(yield* closes, 30)
      yield* Fiber.join(draining)
    }))

  it.effect("closes a socket of a user who has as many as one may, and none of the others", () =>
    Effect.gen(function* () {
      const { open } = yield* makeWorld(0, 2)
      const [first, second] = [yield* open(1), yield* open(2)]
      assert.deepStrictEqual((yield* open(3)).first, { code: 4429, reason: "too_many_sockets" })
      assert.deepStrictEqual([yield* first.rest, yield* second.rest], [[], []])
      yield* first.hangUp
      yield* Fiber.join(first.fiber)
      assert.notStrictEqual(((yield* open(4)).first as { code?: number }).code, 4429)
    }))

  it.effect("waits for clients that are slow to go, and no longer than they may take", () =>
    Effect.gen(function* () {
      const { closeTimeout } = yield* SocketPolicy
      for (const goes of [true, false]) {
        const { drain, open } = yield* world
        const slow = yield* open(1, 3600, { answersClose: false })
        const draining = yield* Effect.forkChild(drain)
        yield* TestClock.adjust(Duration.toMillis(closeTimeout) - 1)
        assert.isUndefined(draining.pollUnsafe())
        yield* goes ? slow.hangUp : TestClock.adjust("1 millis")
        yield* Fiber.join(draining)
      }
    }))

  it.effect("drains when its scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { open } = yield* Scope.provide(world, scope)
      const socket = yield* open(1)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* socket.next, { code: 1012, reason: "restarting" })
    }))

  it.effect("counts each close by its code, once", () =>
    Effect.gen(function* () {
      const { open, publish } = yield* world
      const count = Effect.map(
        Metric.value(Metric.withAttributes(socketCloses, { code: "4401" })),
        (state) => Number(state.count)
      )
      const before = yield* count
      const socket = yield* open(1)
      const ended = Event.SessionsEnded({ sessionIds: [sessionId(1)], reason: "logout" })
      yield* publish(ended)
      yield* publish(ended)
      yield* Fiber.join(socket.fiber)
      assert.strictEqual(yield* count, before + 1)
    }))
})
