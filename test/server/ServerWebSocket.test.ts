// The server's end of a WebSocket over a real connection: heartbeat, bounded queue out, sizes, protocol.
// Clients misbehave on purpose, some of them below what a WebSocket library can do.
import * as NodeWS from "@effect/platform-node/NodeWS"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Layer, Metric, Option, Scheduler } from "effect"
import { createServer, IncomingMessage, type Server } from "node:http"
import { connect, Socket as TcpSocket } from "node:net"
import { socketCloses } from "../../src/Metrics.ts"
import { serverWebSockets } from "../../src/server/ServerWebSocket.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { Registry } from "../../src/ws/Registry.ts"
import { SocketPolicy } from "../../src/ws/SocketPolicy.ts"
import type { Wire } from "../../src/ws/Wire.ts"
import { recorder, turn } from "../support/Recorder.ts"
import { makeSessions, noIceServers, noRooms, openSocket, principal, sessionId } from "../support/Sockets.ts"

/** What serves the socket, instead of the real thing. */
type Serve = (wire: Wire) => void

/** A server on a free port with the real sockets, small times and, unless told otherwise, the real handler. */
const start = Effect.fnUntraced(function* (overrides: Partial<SocketPolicy> = {}, serve?: Serve) {
  const byDefault = yield* SocketPolicy
  const policy = Layer.succeed(SocketPolicy, {
    ...byDefault,
    // Long enough that no test meets them by accident.
    pingEvery: Duration.hours(1),
    closeTimeout: Duration.millis(50),
    drainOver: Duration.zero,
    ...overrides
  })
  const sessions = yield* makeSessions
  const context = yield* Layer.build(
    Layer.mergeAll(
      noIceServers,
      Registry.layer.pipe(Layer.provide(Layer.merge(sessions.layer, EventBus.layerMemory))),
      noRooms
    ).pipe(Layer.provideMerge(policy))
  )
  const upgrade = yield* Effect.provideContext(serverWebSockets, context)
  const open = (wire: Wire) =>
    Effect.runSyncWith(context)(
      // As under load: whatever may run in between does.
      openSocket(principal(sessionId(1)), wire).pipe(Effect.provideService(Scheduler.MaxOpsBeforeYield, 4))
    )
  const server = yield* Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  server.on("upgrade", (request, socket, head) => upgrade(request, socket, head, serve ?? open))
  const address = server.address()
  assert(typeof address === "object" && address !== null)
  return address.port
})

interface Closed {
  readonly code: number
  readonly reason: string
}

/** A client of the `ws` package, open, with what it hears. */
const client = (port: number, protocols: Array<string> = [], options: object = {}) =>
  Effect.acquireRelease(
    Effect.callback<{
      readonly ws: NodeWS.WebSocket
      readonly closed: Effect.Effect<Closed>
      readonly message: Effect.Effect<unknown>
      readonly event: (name: string) => Effect.Effect<void>
    }>((resume) => {
      const ws = new NodeWS.WebSocket(`ws://127.0.0.1:${port}/`, protocols, options)
      const closed = Deferred.makeUnsafe<Closed>()
      const messages: Array<unknown> = []
      let waiting: (() => void) | undefined
      ws.on("error", () => {})
      ws.on("message", (data: unknown) => {
        messages.push(JSON.parse(String(data)))
        waiting?.()
      })
      ws.on("close", (code: number, reason: unknown) => {
        Deferred.doneUnsafe(closed, Exit.succeed({ code, reason: String(reason) }))
      })
      const message = Effect.callback<unknown>((resume) => {
        waiting = () => {
          if (messages.length > 0) resume(Effect.succeed(messages.shift()))
        }
        waiting()
      })
      const event = (name: string) =>
        Effect.callback<void>((resume) => {
          ws.once(name, () => resume(Effect.void))
        })
      ws.on("open", () => resume(Effect.succeed({ ws, closed: Deferred.await(closed), message, event })))
    }),
    ({ ws }) => Effect.sync(() => ws.terminate())
  )

const handshake = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

/** A client that is only a TCP connection. It says `bytes` and then what it is told to; it answers nothing by itself. */
const raw = (port: number, bytes: Uint8Array) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const tcp: TcpSocket = connect(port, "127.0.0.1", () => tcp.write(bytes))
      let received = Buffer.alloc(0)
      let check = () => {}
      const ended = Deferred.makeUnsafe<void>()
      tcp.on("data", (chunk) => {
        received = Buffer.concat([received, chunk])
        check()
      })
      tcp.on("error", () => {})
      tcp.on("close", () => Deferred.doneUnsafe(ended, Exit.void))
      const receivedText = (wanted: string) =>
        Effect.callback<void>((resume) => {
          check = () => {
            if (received.toString("latin1").includes(wanted)) resume(Effect.void)
          }
          check()
        })
      return { tcp, ended: Deferred.await(ended), receivedText }
    }),
    ({ tcp }) => Effect.sync(() => tcp.destroy())
  )

/** A masked frame, with a mask of zeros. */
const frame = (first: number, payload: string) =>
  Buffer.concat([Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0]), Buffer.from(payload)])

const closes = (code: number) =>
  Effect.map(
    Metric.value(Metric.withAttributes(socketCloses, { code: String(code) })),
    (state) => Number(state.count)
  )

const ping = JSON.stringify({ type: "ping", id: "p" })
const pong = { type: "pong", payload: {}, id: "p" }

describe("ServerWebSocket", () => {
  it.live("answers a handshake and says the first frame by one write", () =>
    Effect.gen(function* () {
      const upgrade = yield* serverWebSockets
      const { duplex, writes } = recorder()
      const request = new IncomingMessage(new TcpSocket())
      request.method = "GET"
      request.headers = {
        upgrade: "websocket",
        connection: "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="
      }
      upgrade(request, duplex, Buffer.alloc(0), (wire) => wire.send("ready"))
      assert.deepStrictEqual(writes, [])
      yield* turn
      yield* turn
      assert.strictEqual(writes.length, 1)
      assert.match(writes[0]!, /^HTTP\/1\.1 101 [^]*\r\n\r\n[^]*ready$/)
    }))

  it.live("keeps a client that answers its pings, however many there are", () =>
    Effect.gen(function* () {
      const port = yield* start({ pingEvery: Duration.millis(20) })
      const { event, message, ws } = yield* client(port)
      for (let i = 0; i < 8; i++) yield* event("ping")
      yield* message
      ws.send(ping)
      assert.deepStrictEqual(yield* message, pong)
    }))

  it.live("closes a client with 4408 that leaves two pings unanswered, and counts it", () =>
    Effect.gen(function* () {
      const before = yield* closes(4408)
      const port = yield* start({ pingEvery: Duration.millis(20) })
      const { closed, ws } = yield* client(port, [], { autoPong: false })
      let pings = 0
      ws.on("ping", () => pings++)
      assert.deepStrictEqual(yield* closed, { code: 4408, reason: "no_pong" })
      assert.strictEqual(pings, 2)
      assert.strictEqual(yield* closes(4408), before + 1)
    }))

  it.live("cuts the connection of a client that answers not even the close", () =>
    Effect.gen(function* () {
      const port = yield* start({ pingEvery: Duration.millis(20) })
      const { ended, receivedText } = yield* raw(port, Buffer.from(handshake))
      yield* receivedText("no_pong")
      yield* ended
    }))

  it.live("closes a client with 4408 that reads more slowly than it is written to", () =>
    Effect.gen(function* () {
      const before = yield* closes(4408)
      const text = JSON.stringify("x".repeat(64 * 1024))
      const port = yield* start({ closeTimeout: Duration.seconds(10) }, (wire) => {
        // More than any two kernel buffers, written before the client, on the same thread, can read a byte.
        for (let n = 0; n <= 1024; n++) wire.send(text)
      })
      const { closed } = yield* client(port)
      assert.deepStrictEqual(yield* closed, { code: 4408, reason: "slow_consumer" })
      assert.strictEqual(yield* closes(4408), before + 1)
    }))

  it.live("lets what follows a frame larger than the queue through before a client could read it", () =>
    Effect.gen(function* () {
      const policy = yield* SocketPolicy
      const long = JSON.stringify("x".repeat(16 * 1024 * 1024))
      const short = JSON.stringify("x".repeat(32 * 1024))
      const fitting = Math.floor(policy.outboxBytes / short.length)
      for (const [count, closes] of [[fitting, false], [fitting + 8, true]] as const) {
        const port = yield* start({ closeTimeout: Duration.seconds(10) }, (wire) => {
          wire.send(long)
          for (let n = 0; n < count; n++) wire.send(short)
          wire.send(JSON.stringify("end"))
        })
        const { closed, message } = yield* client(port)
        if (closes) assert.strictEqual((yield* closed).code, 4408)
        else {
          for (let n = 0; n <= count; n++) yield* message
          assert.strictEqual(yield* message, "end")
        }
      }
    }))

  it.live("lets one frame larger than the queue through to a client that keeps up", () =>
    Effect.gen(function* () {
      const text = JSON.stringify("x".repeat(512 * 1024))
      const port = yield* start({}, (wire) => wire.send(text))
      const { message } = yield* client(port)
      assert.strictEqual(JSON.stringify(yield* message), text)
    }))

  it.live("takes a frame of 64 KiB and closes with 1009 for one byte more, in one piece or in several", () =>
    Effect.gen(function* () {
      const before = yield* closes(1009)
      const port = yield* start()
      const padded = (bytes: number) => ping.padEnd(bytes, " ")
      const whole = yield* client(port)
      yield* whole.message
      whole.ws.send(padded(64 * 1024))
      assert.deepStrictEqual(yield* whole.message, pong)
      whole.ws.send(padded(64 * 1024 + 1))
      assert.strictEqual((yield* whole.closed).code, 1009)
      const pieces = yield* client(port)
      pieces.ws.send(padded(64 * 1024), { fin: false })
      pieces.ws.send(" ", { fin: true })
      assert.strictEqual((yield* pieces.closed).code, 1009)
      assert.strictEqual(yield* closes(1009), before + 2)
    }))

  it.live("closes a flood of tiny fragments with 1008, and takes a message in a few", () =>
    Effect.gen(function* () {
      const port = yield* start()
      const { closed, message, ws } = yield* client(port)
      yield* message
      for (const char of ping.slice(0, -1)) ws.send(char, { fin: false })
      ws.send(ping.slice(-1), { fin: true })
      assert.deepStrictEqual(yield* message, pong)
      for (let i = 0; i < 200; i++) ws.send(" ", { fin: false })
      assert.strictEqual((yield* closed).code, 1008)
    }))

  it.live("closes a flood of pings with 4429", () =>
    Effect.gen(function* () {
      const port = yield* start({ pingEvery: Duration.seconds(5), inboundPerSecond: 2, inboundBurst: 10 })
      const { closed, event, ws } = yield* client(port)
      for (let i = 0; i < 20; i++) {
        ws.ping()
        yield* event("pong")
      }
      ws.ping()
      assert.deepStrictEqual(yield* closed, { code: 4429, reason: "rate_limited" })
    }))

  it.live("closes a flood of frames with 4429, over the wire", () =>
    Effect.gen(function* () {
      const port = yield* start()
      const { closed, ws } = yield* client(port)
      for (let i = 0; i < 300; i++) ws.send(ping)
      assert.deepStrictEqual(yield* closed, { code: 4429, reason: "rate_limited" })
    }))

  it.live("selects roomkey.v1 and never the protocol that carries the token, and compresses nothing", () =>
    Effect.gen(function* () {
      const port = yield* start()
      for (const offered of [["roomkey.v1", "roomkey.bearer.abc"], ["roomkey.bearer.abc", "roomkey.v1"]]) {
        const { ws } = yield* client(port, offered, { perMessageDeflate: true })
        assert.strictEqual(ws.protocol, "roomkey.v1")
        assert.strictEqual(ws.extensions, "")
      }
      const alone = yield* raw(
        port,
        Buffer.from(handshake.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: roomkey.bearer.abc\r\n\r\n"))
      )
      yield* alone.receivedText("ready")
      const refused = yield* Effect.timeoutOption(alone.receivedText("roomkey.bearer"), 0)
      assert.isTrue(Option.isNone(refused))
    }))

  it.live("answers a frame that came in one packet with the handshake", () =>
    Effect.gen(function* () {
      const port = yield* start()
      const { receivedText } = yield* raw(port, Buffer.concat([Buffer.from(handshake), frame(0x81, ping)]))
      yield* receivedText(JSON.stringify(pong))
    }))

  it.live("survives garbage in one packet with the handshake, and serves the next client", () =>
    Effect.gen(function* () {
      const before = yield* closes(1002)
      const port = yield* start()
      for (let i = 0; i < 20; i++) {
        const { ended } = yield* raw(port, Buffer.concat([Buffer.from(handshake), Buffer.alloc(64, 0xff)]))
        yield* ended
      }
      assert.strictEqual(yield* closes(1002), before + 20)
      const { message } = yield* client(port)
      assert.deepInclude(yield* message, { type: "ready" })
    }))

  it.live("survives an error of a socket that nobody listens to", () =>
    Effect.gen(function* () {
      const port = yield* start({}, () => {})
      const { ended } = yield* raw(port, Buffer.concat([Buffer.from(handshake), Buffer.alloc(64, 0xff)]))
      yield* ended
    }))

  it.live("closes text that is not UTF-8 with 1007, and a frame that is not masked with 1002", () =>
    Effect.gen(function* () {
      const port = yield* start()
      for (
        const [bytes, code] of [[Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff]), 1007], [
          Buffer.from([0x81, 0]),
          1002
        ]] as const
      ) {
        const before = yield* closes(code)
        const { ended } = yield* raw(port, Buffer.concat([Buffer.from(handshake), bytes]))
        yield* ended
        assert.strictEqual(yield* closes(code), before + 1)
      }
    }))

  it.live("survives clients that vanish at every step", () =>
    Effect.gen(function* () {
      const port = yield* start({ pingEvery: Duration.millis(20) })
      for (const cut of [0, 10, handshake.length - 1, handshake.length]) {
        const { tcp } = yield* raw(port, Buffer.from(handshake.slice(0, cut)))
        tcp.resetAndDestroy()
      }
      const cutLater = yield* raw(port, Buffer.from(handshake))
      yield* cutLater.receivedText("ready")
      cutLater.tcp.resetAndDestroy()
      const { event, message } = yield* client(port)
      yield* event("ping")
      assert.deepInclude(yield* message, { type: "ready" })
    }))
})
