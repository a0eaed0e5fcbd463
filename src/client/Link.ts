// One socket, from its opening to its end: frames leave at the server's pace, answers reach who asked, and a connection
// that died silently is noticed. What a socket that was given up still says is not heard.
import type { ClientFrame, ClientFrames, ServerFrame } from "../api/Frames.ts"
import { RoomkeyError } from "./Errors.ts"
import { Outbox } from "./Outbox.ts"
import type { Clock, Socket } from "./Platform.ts"

interface Pending {
  readonly resolve: (frame: ServerFrame) => void
  readonly reject: (error: RoomkeyError) => void
}

export interface LinkOptions {
  readonly clock: Clock
  readonly requestTimeout: number
  readonly pingEvery: number
  /** Hears every frame but an `error` that answers a question. */
  readonly received: (frame: ServerFrame) => void
  /** Called once, unless `end` was. */
  readonly lost: (code: number, reason: string) => void
}

export class Link {
  /** When `ready` came; a socket without it was never let in. */
  openedAt: number | undefined
  readonly #socket: Socket
  readonly #options: LinkOptions
  readonly #outbox: Outbox
  readonly #pending = new Map<unknown, Pending>()
  #lastId = 0
  #ended = false
  #cancelTimer: () => void

  constructor(socket: Socket, options: LinkOptions) {
    this.#socket = socket
    this.#options = options
    this.#outbox = new Outbox(options.clock, (text) => socket.send(text))
    this.#cancelTimer = options.clock.setTimeout(() => this.#lost(1006, "no_answer"), options.requestTimeout)
    socket.addEventListener("message", ({ data }) => this.#received(data))
    // Deno knows no code for a handshake that was refused.
    socket.addEventListener("close", ({ code, reason }) => this.#lost(code === 0 ? 1006 : code, reason))
    // A `close` follows, and says more.
    socket.addEventListener("error", () => {})
  }

  /** Whether somebody was let in and is still there. */
  get isOpen(): boolean {
    return this.openedAt !== undefined && !this.#ended
  }

  send<Type extends ClientFrame["type"]>(type: Type, payload: ClientFrames[Type]["payload"], id?: number): void {
    this.#outbox.send(JSON.stringify({ type, payload, ...(id === undefined ? {} : { id }) }))
  }

  /** `answered` runs before the next frame is looked at; who waits for the promise runs later. */
  ask<Type extends ClientFrame["type"], A>(
    type: Type,
    payload: ClientFrames[Type]["payload"],
    answered: () => A
  ): Promise<A> {
    const id = ++this.#lastId
    return new Promise<A>((resolve, reject) => {
      const { clock, requestTimeout } = this.#options
      const cancel = clock.setTimeout(
        () => this.#pending.get(id)?.reject(new RoomkeyError({ code: "timeout", detail: `No answer to ${type}` })),
        requestTimeout
      )
      const settled = <B>(settle: (value: B) => void) => (value: B) => {
        cancel()
        this.#pending.delete(id)
        settle(value)
      }
      this.#pending.set(id, { resolve: settled(() => resolve(answered())), reject: settled(reject) })
      this.send(type, payload, id)
    })
  }

  ping(): Promise<number> {
    const { clock } = this.#options
    const sent = clock.now()
    return this.ask("ping", {}, () => clock.now() - sent)
  }

  /** Gives the socket up, and fails what waits for an answer on it. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#cancelTimer()
    this.#outbox.clear()
    this.#socket.close(1000)
    for (const { reject } of this.#pending.values()) {
      reject(new RoomkeyError({ code: "disconnected", detail: "The socket closed before the answer" }))
    }
  }

  #lost(code: number, reason: string): void {
    if (this.#ended) return
    this.end()
    this.#options.lost(code, reason)
  }

  #received(data: unknown): void {
    if (this.#ended || typeof data !== "string") return
    const frame = JSON.parse(data) as ServerFrame
    const asked = "id" in frame ? this.#pending.get(frame.id) : undefined
    if (asked !== undefined && frame.type === "error") return asked.reject(new RoomkeyError(frame.payload))
    if (frame.type === "ready") {
      this.openedAt = this.#options.clock.now()
      this.#beat()
    }
    this.#options.received(frame)
    asked?.resolve(frame)
  }

  #beat(): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#options.clock.setTimeout(() => {
      this.ping().then(() => this.#ended || this.#beat(), () => this.#lost(1006, "no_pong"))
    }, this.#options.pingEvery)
  }
}
