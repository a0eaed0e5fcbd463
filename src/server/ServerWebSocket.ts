// The server's end of a WebSocket: heartbeat, bounded queue out and limits of size. No timer, no fiber and no event listener
// a socket: one fiber pings them all.
import * as NodeWS from "@effect/platform-node/NodeWS"
import { Array, Duration, Effect, Predicate, type Scope } from "effect"
import type { Socket } from "effect/socket"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { closeCounter, noPong, slowConsumer, tooManyFrames } from "../ws/CloseCodes.ts"
import { subprotocol } from "../ws/Handshake.ts"
import { SocketPolicy } from "../ws/SocketPolicy.ts"
import type { Wire, WireListener } from "../ws/Wire.ts"
import { makeFraming } from "./TextFrame.ts"
import { makeTurnWrites } from "./TurnWrites.ts"

/** The heartbeat is spread over so many turns, so that a full house is not pinged in one. */
const slots = 16

/** Browsers do not fragment what is this small; who does may, within reason. */
const maxFragments = 64
/** Pieces that one message may arrive in: 64 KiB in the smallest segments of TCP are some 120. */
const maxBufferedChunks = 1024

/** Answers a handshake and uses its socket in the same turn; not at all if the client is gone. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer, use: (wire: Wire) => void) => void

/** Sockets and their heartbeat, as long as the scope lives. */
export const serverWebSockets: Effect.Effect<Upgrade, never, Scope.Scope> = Effect.gen(function* () {
  const policy = yield* SocketPolicy
  const closeTimeout = Duration.toMillis(policy.closeTimeout)
  // As many as a client may send of other frames: a ping is answered at the same cost.
  const maxPings = policy.inboundBurst + policy.inboundPerSecond * Duration.toSeconds(policy.pingEvery)
  const open = Array.makeBy(slots, () => new Set<ServerWebSocket>())
  let nextSlot = 0
  const framed = makeFraming()
  const turn = makeTurnWrites()

  const countClose = yield* closeCounter

  class ServerWebSocket extends NodeWS.WebSocket implements Wire {
    readonly #slot = open[nextSlot++ % slots]!
    #unanswered = 0
    #pings = 0
    /** Of the frames that wait. */
    #longest = 0
    #listener: WireListener | undefined
    #connection: Duplex | undefined

    constructor(address: null, _protocols: undefined, options: object) {
      // What `WebSocketServer` passes, of which the published types know the first only.
      super(...[address, undefined, options] as unknown as [null])
    }

    /** What happens to it, without a listener for each: they would be most of an idle socket's memory. */
    override emit(event: string | symbol, ...args: Array<any>): boolean {
      switch (event) {
        case "open":
          this.#slot.add(this)
          return true
        case "message": {
          // Who is being closed is not heard any more.
          if (this.readyState !== this.OPEN) return true
          const [data, isBinary] = args
          this.#listener?.received(isBinary ? data : data.toString())
          return true
        }
        case "pong":
          this.#unanswered = 0
          break
        case "ping":
          if (++this.#pings > maxPings) this.#closeBy(tooManyFrames)
          break
        case "error": {
          const code = protocolClose(args[0])
          if (code !== undefined) countClose(code)
          // The close follows.
          return true
        }
        case "close":
          this.#slot.delete(this)
          this.#listener?.gone(args[0])
          return true
      }
      return super.emit(event, ...args)
    }

    /** Named in the turn in which the handshake was answered. */
    over(connection: Duplex): this {
      this.#connection = connection
      return this
    }

    listen(listener: WireListener): void {
      this.#listener = listener
    }

    hold(held: boolean): void {
      if (held) this.pause()
      else this.resume()
    }

    /**
     * The queue may hold `outboxBytes` beside its longest frame, and one frame more: a client that reads too slowly for
     * that is closed, and none because the list of a full channel takes a moment to arrive. Written past the library, which
     * would encode a text for each of its hearers: without compression it holds nothing back that this could overtake.
     */
    override send(text: string): void {
      if (this.readyState !== this.OPEN) return
      const waiting = this.bufferedAmount
      if (waiting > policy.outboxBytes + this.#longest) return this.#closeBy(slowConsumer)
      const frame = framed(text)
      this.#longest = Math.max(waiting === 0 ? 0 : this.#longest, frame.length)
      if (this.#connection !== undefined) turn.write(this.#connection, frame)
    }

    beat(): void {
      if (this.readyState !== this.OPEN) return
      if (this.#unanswered >= policy.missedPongs) return this.#closeBy(noPong)
      this.#unanswered++
      this.#pings = 0
      this.ping()
    }

    end(event: Socket.CloseEvent): void {
      this.close(event.code, event.reason)
    }

    #closeBy(event: Socket.CloseEvent): void {
      if (this.readyState !== this.OPEN) return
      countClose(event.code)
      this.end(event)
    }
  }

  let beats = 0
  yield* Effect.sync(() => {
    for (const socket of open[beats++ % slots]!) socket.beat()
  }).pipe(
    Effect.delay(Duration.times(policy.pingEvery, 1 / slots)),
    Effect.forever,
    Effect.forkScoped
  )

  const sockets = new NodeWS.WebSocketServer({
    noServer: true,
    closeTimeout,
    maxPayload: policy.maxFrameBytes,
    maxFragments,
    maxBufferedChunks,
    perMessageDeflate: false,
    // The registry knows them.
    clientTracking: false,
    WebSocket: ServerWebSocket as unknown as typeof NodeWS.WebSocket,
    handleProtocols: (protocols: Set<string>) => protocols.has(subprotocol) ? subprotocol : false
  } as NodeWS.ServerOptions)
  return (request, socket, head, use) => {
    // The answer and the first frame leave in one packet.
    turn.holdForHandshake(socket)
    sockets.handleUpgrade(request, socket, head, (opened) => use((opened as unknown as ServerWebSocket).over(socket)))
  }
})

/** The code that `ws` closes with of itself when its receiver fails, by the error's own code. */
const protocolClose = (error: unknown): number | undefined => {
  const code = Predicate.hasProperty(error, "code") ? error.code : undefined
  switch (code) {
    case "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH":
    case "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH":
      return 1009
    case "WS_ERR_TOO_MANY_BUFFERED_PARTS":
      return 1008
    case "WS_ERR_INVALID_UTF8":
      return 1007
    default:
      return typeof code === "string" && code.startsWith("WS_ERR_") ? 1002 : undefined
  }
}
