// A handshake between its arrival and its answer, over real connections and with a door that takes its time.
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Queue } from "effect"
import { createServer, type Server } from "node:http"
import { connect, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import { RequestIds } from "../../src/http/RequestIds.ts"
import * as HandshakesNode from "../../src/server/HandshakesNode.ts"
import { Handshakes, type Offer } from "../../src/ws/Handshakes.ts"

const request = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

const errorListeners = (socket: Duplex) => socket.listenerCount("error")

/**
 * `knock` sends a handshake, and answers its offer and the server's end of its connection. `declined` became requests, with
 * so many listeners for errors left.
 */
const start = Effect.gen(function* () {
  const server = yield* Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  // Without a listener of its own it would take a handshake for a request.
  const declined: Array<Duplex> = []
  const listening: Array<number> = []
  server.on("upgrade", (_, socket) => {
    declined.push(socket)
    listening.push(errorListeners(socket))
    socket.on("error", () => {}).end("HTTP/1.1 500 Internal Server Error\r\n\r\n")
  })
  const connections = yield* Queue.unbounded<Socket>()
  server.on("connection", (socket) => Queue.offerUnsafe(connections, socket))
  const context = yield* Layer.build(HandshakesNode.layer(server).pipe(Layer.provide(RequestIds.layer)))
  const offers = yield* Queue.unbounded<Offer>()
  let take = (offer: Offer): void => {
    Queue.offerUnsafe(offers, offer)
  }
  yield* Context.get(context, Handshakes).receive((offer) => take(offer))
  const address = server.address()
  assert(typeof address === "object" && address !== null)
  const knock = Effect.gen(function* () {
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => connect(address.port, "127.0.0.1").on("error", () => {})),
      (client) => Effect.sync(() => client.destroy())
    )
    client.write(request)
    return { client, socket: yield* Queue.take(connections), offer: yield* Queue.take(offers) }
  })
  const atOnce = (answer: (offer: Offer) => void) => {
    take = (offer) => {
      answer(offer)
      Queue.offerUnsafe(offers, offer)
    }
  }
  return { atOnce, knock, declined, listening }
})

describe("HandshakesNode", () => {
  it.live("bears a client that is gone before it is answered", () =>
    Effect.gen(function* () {
      const { knock } = yield* start
      const { client, offer, socket } = yield* knock
      const gone = yield* Effect.forkChild(
        Effect.callback<void>((resume) => {
          socket.on("close", () => resume(Effect.void))
        }),
        { startImmediately: true }
      )
      assert.strictEqual(errorListeners(socket), 1)
      client.resetAndDestroy()
      yield* Fiber.join(gone)
      let used = false
      offer.accept(() => {
        used = true
      })
      assert.isFalse(used)
    }))

  it.live("writes nothing into a socket whose opening failed, and cuts it", () =>
    Effect.gen(function* () {
      const { atOnce, declined, knock } = yield* start
      atOnce((offer) => {
        try {
          offer.accept(() => {
            throw new Error("a bug")
          })
        } catch {
          offer.decline()
        }
      })
      const { client, socket } = yield* knock
      assert.isTrue(socket.destroyed)
      assert.deepStrictEqual(declined, [socket])
      let heard = ""
      client.on("data", (data) => {
        heard += String(data)
      })
      yield* Effect.callback<void>((resume) => {
        client.on("close", () => resume(Effect.void))
      })
      assert.strictEqual(heard, "")
    }))

  it.live("leaves nothing of its waiting behind", () =>
    Effect.gen(function* () {
      const { atOnce, knock, listening } = yield* start
      const late = yield* knock
      late.offer.accept(() => {})
      atOnce((offer) => offer.accept(() => {}))
      const prompt = yield* knock
      assert.strictEqual(errorListeners(late.socket), 1)
      assert.strictEqual(errorListeners(prompt.socket), 1)
      atOnce((offer) => offer.decline())
      yield* knock
      assert.deepStrictEqual(listening, [0])
    }))
})
