// Who is let in at once, who waits for the store, and what a bug on the way costs: that handshake alone.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Option, Redacted } from "effect"
import * as TokenCodecNode from "../../src/crypto/TokenCodecNode.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { IceServers } from "../../src/services/IceServers.ts"
import { Lifecycle } from "../../src/services/Lifecycle.ts"
import { RecentSessions } from "../../src/services/RecentSessions.ts"
import { TicketStore } from "../../src/services/TicketStore.ts"
import { TokenCodec } from "../../src/services/TokenCodec.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import { Handshakes, type Offer } from "../../src/ws/Handshakes.ts"
import { doorLayer } from "../../src/ws/Realtime.ts"
import { Registry } from "../../src/ws/Registry.ts"
import { fakeSocket, noRooms, record } from "../support/Sockets.ts"

const noServers: IceServers["Service"]["forUser"] = () => ({ servers: [], expiresIn: null })

/** A door, whom it counts, and how handshakes with the token of one session fare there. */
const makeDoor = Effect.fnUntraced(function* (recall: "Knows" | "KnowsNobody" | "Breaks", forUser = noServers) {
  let door: ((offer: Offer) => void) | undefined
  let counted = 0
  const { minted, parsed } = yield* Effect.gen(function* () {
    const codec = yield* TokenCodec
    const minted = yield* codec.mintSession
    return { minted, parsed: Option.getOrThrow(codec.parseToken(minted.token)) }
  }).pipe(Effect.provide(TokenCodecNode.layer))
  const { access, ...rest } = record(parsed.sessionId)
  const row = { ...rest, access: { ...access, digest: parsed.digest } }
  const read = yield* Deferred.make<void>()

  yield* Layer.build(doorLayer.pipe(
    Layer.provide(Registry.layer),
    Layer.provide(Layer.mergeAll(
      noRooms,
      EventBus.layerMemory,
      TokenCodecNode.layer,
      Layer.succeed(IceServers, { forUser }),
      Layer.mock(TicketStore, {}),
      Layer.mock(TokenStore, { find: () => Effect.as(Deferred.await(read), Option.some(row)) }),
      Layer.mock(Lifecycle, { draining: () => false }),
      Layer.succeed(
        AuditLog,
        AuditLog.of({
          record: () => Effect.void,
          countSocket: () => counted++,
          list: () => Effect.die("not asked for"),
          usage: () => Effect.die("not asked for")
        })
      ),
      Layer.succeed(RecentSessions, {
        recall: () => {
          if (recall === "Breaks") throw new Error("a bug")
          return recall === "Knows" ? row : undefined
        }
      }),
      Layer.succeed(Handshakes, {
        receive: (take) =>
          Effect.sync(() => {
            door = take
          })
      })
    ))
  ))

  const fake = yield* fakeSocket()
  const answers: Array<string> = []
  const knock = (): void =>
    door!({
      source: {},
      method: "GET",
      headers: {
        authorization: `Bearer ${Redacted.value(minted.token)}`,
        upgrade: "websocket",
        connection: "Upgrade",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13"
      },
      searchParams: {},
      requestId: "test",
      caller: { address: "192.0.2.1", userAgent: "test", patience: undefined },
      accept: (use) => {
        answers.push("accepted")
        use(fake.wire)
      },
      decline: () => {
        answers.push("declined")
      }
    })
  return { answers, counted: () => counted, knock, next: fake.next, read }
})

describe("doorLayer", () => {
  it.effect("lets in at once whose session is remembered", () =>
    Effect.gen(function* () {
      const { answers, counted, knock, next } = yield* makeDoor("Knows")
      knock()
      assert.deepStrictEqual(answers, ["accepted"])
      assert.strictEqual(counted(), 1)
      assert.propertyVal(yield* next, "type", "ready")
    }))

  it.effect("lets in everybody else when the store has answered", () =>
    Effect.gen(function* () {
      const { answers, counted, knock, next, read } = yield* makeDoor("KnowsNobody")
      knock()
      assert.deepStrictEqual(answers, [])
      yield* Deferred.succeed(read, undefined)
      assert.propertyVal(yield* next, "type", "ready")
      assert.deepStrictEqual(answers, ["accepted"])
      assert.strictEqual(counted(), 1)
    }))

  it.effect("has a handshake that meets a bug answered as a request, once, and goes on", () =>
    Effect.gen(function* () {
      const fails = () => {
        throw new Error("a bug")
      }
      for (const door of [yield* makeDoor("Breaks"), yield* makeDoor("Knows", fails)]) {
        door.knock()
        door.knock()
        assert.deepStrictEqual(door.answers, ["declined", "declined"])
        assert.strictEqual(door.counted(), 0)
      }
    }))
})
