// What a client hears for what it sends, from `ready` to the close.
import { assert, describe, it } from "@effect/vitest"
import {
  Context,
  Deferred,
  Duration,
  Effect,
  Fiber,
  Layer,
  Logger,
  Option,
  Predicate,
  Redacted,
  References,
  Schema
} from "effect"
import { TestClock } from "effect/testing"
import { ServerFrame } from "../../src/api/Frames.ts"
import * as IceServersHmac from "../../src/crypto/IceServersHmac.ts"
import { Event } from "../../src/domain/Event.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { Registry } from "../../src/ws/Registry.ts"
import type { Rooms } from "../../src/ws/Rooms.ts"
import { emptyRooms, fakeSocket, makeSessions, noRooms, openSocket, principal, sessionId } from "../support/Sockets.ts"

const iceServers = IceServersHmac.layer({
  iceServers: [{ urls: ["stun:stun.example"] }],
  turn: Option.some({ urls: ["turn:turn.example"], secret: Redacted.make("secret"), ttl: Duration.hours(1) })
})

const connect = Effect.fnUntraced(function* (
  options?: Parameters<typeof fakeSocket>[0],
  rooms: Layer.Layer<Rooms> = emptyRooms()
) {
  const sessions = yield* makeSessions
  const context = yield* Layer.build(
    Registry.layer.pipe(
      Layer.provideMerge(Layer.mergeAll(sessions.layer, iceServers, EventBus.layerMemory, noRooms, rooms))
    )
  )
  const fake = yield* fakeSocket(options)
  yield* openSocket(principal(sessionId(1)), fake.wire).pipe(Effect.provideContext(context))
  const fiber = yield* Effect.forkChild(fake.gone)
  const ready = yield* fake.next
  const endSession = Context.get(context, EventBus).publish(
    Event.SessionsEnded({ sessionIds: [sessionId(1)], reason: "logout" })
  )
  return { ...fake, fiber, ready, endSession }
})

const ping = (id?: unknown) => JSON.stringify({ type: "ping", ...(id === undefined ? {} : { id }) })
const join = JSON.stringify({ type: "join_channel", payload: { channel_id: 1 } })
const badMessages = { code: 4400, reason: "bad_messages" }

describe("Upgrade.openSocket", () => {
  it.effect("says ready first: who is connected, until when, the connection's own id, and the ICE servers with its own credential", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 0, 2, 3, 4, 5))
      const { ready } = yield* connect()
      const { payload } = Schema.decodeUnknownSync(ServerFrame)(ready) as Extract<ServerFrame, { type: "ready" }>
      assert.match(payload.connection_id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      assert.deepStrictEqual(ready, {
        type: "ready",
        payload: {
          connection_id: payload.connection_id,
          user: { id: 7, username: "ann", custom_id: "a-1", picture_url: null, metadata: { team: "red" } },
          session_id: sessionId(1),
          expires_at: "2026-01-02T04:04:05.000Z",
          ice_servers: [
            { urls: ["stun:stun.example"] },
            { urls: ["turn:turn.example"], username: "1767326645:7", credential: "VczV3GhxCQjlAGLTn+P32YqFLAY=" }
          ]
        }
      })
    }))

  it.effect("answers pings in order and echoes their ids", () =>
    Effect.gen(function* () {
      const { next, receive } = yield* connect()
      yield* receive(ping(), ping("a"), ping(42), ping(""))
      assert.deepStrictEqual(yield* Effect.all([next, next, next, next]), [
        { type: "pong", payload: {} },
        { type: "pong", payload: {}, id: "a" },
        { type: "pong", payload: {}, id: 42 },
        { type: "pong", payload: {}, id: "" }
      ])
    }))

  it.effect("answers a bad frame by an error that echoes its id, and goes on", () =>
    Effect.gen(function* () {
      const { next, receive } = yield* connect()
      yield* receive("{", `{"type":"nope","id":"x"}`, ping(1))
      assert.deepStrictEqual(yield* Effect.all([next, next, next]), [
        { type: "error", payload: { code: "invalid_request", detail: "Expected JSON" } },
        { type: "error", payload: { code: "invalid_request", detail: "Unknown frame type" }, id: "x" },
        { type: "pong", payload: {}, id: 1 }
      ])
    }))

  it.effect("closes with 4400 after five bad frames in a row, and a good one starts the count again", () =>
    Effect.gen(function* () {
      const { fiber, receive, rest } = yield* connect()
      yield* receive(...Array.from({ length: 4 }, () => "bad"), ping(), ...Array.from({ length: 6 }, () => "bad"))
      yield* Fiber.join(fiber)
      const sent: ReadonlyArray<unknown> = yield* rest
      assert.deepStrictEqual(sent.map((frame) => Predicate.hasProperty(frame, "type") ? frame.type : frame), [
        ...Array.from({ length: 4 }, () => "error"),
        "pong",
        ...Array.from({ length: 5 }, () => "error"),
        badMessages
      ])
    }))

  it.effect("closes with 4400 at once for a binary frame, and answers nothing that came after it", () =>
    Effect.gen(function* () {
      const { fiber, receive, rest } = yield* connect()
      yield* receive(new TextEncoder().encode(ping()), ping())
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* rest, [badMessages])
    }))

  it.effect("closes with 4429 at the first frame over the rate, and not for a client that keeps to it", () =>
    Effect.gen(function* () {
      const { fiber, receive, rest } = yield* connect()
      const pings = (count: number) => receive(...Array.from({ length: count }, () => ping()))
      yield* pings(200)
      for (let second = 0; second < 5; second++) {
        yield* TestClock.adjust("1 second")
        yield* pings(50)
      }
      yield* TestClock.adjust("0 millis")
      assert.strictEqual((yield* rest).length, 450)
      yield* pings(1)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* rest, [{ code: 4429, reason: "rate_limited" }])
    }))

  it.effect("closes with 1011 when a handler dies, and ends without failure", () =>
    Effect.gen(function* () {
      const { fiber, receive, rest } = yield* connect({
        onWrite: (sent) => {
          if (Predicate.hasProperty(sent, "type") && sent.type === "pong") throw new Error("a bug")
        }
      })
      yield* receive(ping())
      yield* Fiber.join(fiber)
      assert.deepStrictEqual((yield* rest).at(-1), { code: 1011, reason: "internal_error" })
    }))

  it.effect("logs the bug that a client's going meets, and for debugging that it went", () =>
    Effect.gen(function* () {
      const logged: Array<unknown> = []
      const rooms = emptyRooms({
        join: (connection) =>
          Effect.sync(() => {
            connection.whenClosed = () => {
              throw new Error("a bug")
            }
          })
      })
      const { fiber, hangUp, receive } = yield* connect({}, rooms).pipe(
        Effect.provide(Logger.layer([Logger.make(({ message }) => logged.push(message))])),
        Effect.provideService(References.MinimumLogLevel, "Debug")
      )
      yield* receive(join)
      yield* hangUp
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(logged, [["A socket's end was not heard", new Error("a bug")], ["Socket gone"]])
    }))

  it.effect("lets go of a client that talks on after its close, and answers it nothing", () =>
    Effect.gen(function* () {
      const { endSession, fiber, hangUp, next, receive, rest } = yield* connect({ answersClose: false })
      yield* endSession
      assert.deepStrictEqual(yield* next, { code: 4401, reason: "session_revoked" })
      yield* receive(ping())
      assert.deepStrictEqual(yield* rest, [])
      yield* hangUp
      yield* Fiber.join(fiber)
    }))

  it.effect("answers after a frame that takes long what came meanwhile, and holds back a client that sends much meanwhile", () =>
    Effect.gen(function* () {
      const entered = yield* Deferred.make<void>()
      const { isHeld, next, receive, rest } = yield* connect(
        {},
        emptyRooms({ join: () => Deferred.await(entered) })
      )
      yield* receive(join, ping(1), ping(2))
      assert.isFalse(isHeld())
      yield* receive(ping(3).padEnd(64 * 1024))
      assert.isTrue(isHeld())
      assert.deepStrictEqual(yield* rest, [])
      yield* Deferred.succeed(entered, undefined)
      for (const id of [1, 2, 3]) assert.deepStrictEqual(yield* next, { type: "pong", payload: {}, id })
      assert.isFalse(isHeld())
    }))

  it.effect("holds back a client that sends many frames with nothing in them while one takes long", () =>
    Effect.gen(function* () {
      const { isHeld, receive } = yield* connect({}, emptyRooms({ join: () => Effect.never }))
      yield* receive(join, ...Array.from({ length: 600 }, () => ""))
      assert.isTrue(isHeld())
    }))

  it.effect("gives up the frame under way, and what waits, when the client goes away", () =>
    Effect.gen(function* () {
      const givenUp = yield* Deferred.make<void>()
      const { hangUp, receive, rest } = yield* connect(
        {},
        emptyRooms({ join: () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(givenUp, undefined)) })
      )
      yield* receive(join, ping())
      yield* hangUp
      yield* Deferred.await(givenUp)
      assert.deepStrictEqual(yield* rest, [])
    }))

  it.effect("ends without failure when the client goes away", () =>
    Effect.gen(function* () {
      const { fiber, hangUp, rest } = yield* connect()
      yield* hangUp
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* rest, [])
    }))
})
