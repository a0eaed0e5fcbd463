// Somebody in a voice room, by a socket of its own: every frame is kept until it is asked for.
import * as NodeWS from "@effect/platform-node/NodeWS"
import { once } from "node:events"
import { type Target, within } from "./Client.ts"

// oxlint-disable-next-line typescript/no-explicit-any -- tests read frames as a client without types would
export type Frame = any

export class Member {
  id = ""
  readonly #socket: NodeWS.WebSocket
  readonly #frames: Array<Frame> = []
  #wake: () => void = () => undefined
  #asked = 0

  private constructor(socket: NodeWS.WebSocket) {
    this.#socket = socket
    socket.on("message", (data) => this.#take(JSON.parse(String(data))))
    socket.on("close", (code) => this.#take({ type: "close", code }))
    socket.on("error", () => undefined)
  }

  static async open(target: Target, token: string): Promise<Member> {
    const member = new Member(new NodeWS.WebSocket(`${target.url.replace(/^http/, "ws")}/ws?token=${token}`))
    member.id = (await member.hear((frame) => frame.type === "ready")).payload.connection_id
    return member
  }

  #take(frame: Frame): void {
    this.#frames.push({ ...frame, at: performance.now() })
    this.#wake()
  }

  /** The next frame that is meant, and when it came; those before it are left out. */
  async hear(isMeant: (frame: Frame) => boolean, seconds = 10): Promise<Frame> {
    const search = async (): Promise<Frame> => {
      for (;;) {
        const frame = this.#frames.shift()
        if (frame === undefined) await new Promise<void>((resolve) => this.#wake = resolve)
        else if (isMeant(frame)) return frame
        else if (frame.type === "close") throw new Error(`closed by ${frame.code}`)
      }
    }
    return within(seconds, `hearing ${isMeant}`, search())
  }

  /** What came by now, taken. */
  heard(): ReadonlyArray<Frame> {
    return this.#frames.splice(0)
  }

  /** Reads nothing any more. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  send(type: string, payload?: object, id?: number): void {
    this.#socket.send(JSON.stringify({ type, payload, id }))
  }

  /** Sends, and waits for the answer. */
  ask(type: string, payload?: object): Promise<Frame> {
    const id = ++this.#asked
    this.send(type, payload, id)
    return this.hear((frame) => frame.id === id)
  }

  join(channelId: number, role?: string): Promise<Frame> {
    return this.ask("join_channel", { channel_id: channelId, role })
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === NodeWS.WebSocket.CLOSED) return
    const closed = once(this.#socket, "close")
    this.#socket.terminate()
    await closed
  }
}
