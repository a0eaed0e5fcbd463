// Bytes on a TCP connection, for what no HTTP client would send, and just enough of RFC 6455 to break it.
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { connect as connectTcp, type Socket } from "node:net"
import { baseUrl } from "../support/Server.ts"

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
}

/** A connection's input, read by its parts; whoever waits is woken by each chunk and by the end. */
export class Connection {
  readonly #socket: Socket
  #bytes: Buffer = Buffer.alloc(0)
  #ended = false
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#wake()
    })
    const end = () => {
      this.#ended = true
      this.#wake()
    }
    socket.on("end", end).on("close", end).on("error", end)
  }

  /** Sends bytes; text is taken byte for byte. */
  send(data: string | Uint8Array): void {
    this.#socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : data)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** The value that `read` finds in the bytes so far, or `undefined` when the connection ends without one. */
  async #next<A>(read: (bytes: Buffer, ended: boolean) => readonly [value: A, rest: Buffer] | undefined) {
    for (;;) {
      const found = read(this.#bytes, this.#ended)
      if (found !== undefined) {
        this.#bytes = found[1]
        return found[0]
      }
      if (this.#ended) return undefined
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
    }
  }

  /** The next answer, or `undefined` when the connection ends without one. */
  readonly answer = Effect.promise(() => this.#next(readAnswer(false)))

  /** The next answer to a HEAD, which has no body whatever its headers say. */
  readonly headAnswer = Effect.promise(() => this.#next(readAnswer(true)))

  /** The next frame that is no heartbeat, which may come at any time; `undefined` when the connection ends without one. */
  readonly frame = Effect.promise(async () => {
    for (;;) {
      const frame = await this.#next(readFrame)
      if (frame?.opcode !== opcode.ping) return frame
    }
  })

  /** The next frame as JSON. */
  readonly json = Effect.map(this.frame, (frame): any => frame && JSON.parse(frame.payload.toString()))

  /** Reads on to the close frame: its code and reason; `undefined` when the connection ends without one. */
  readonly closed = Effect.gen({ self: this }, function* () {
    for (;;) {
      const frame = yield* this.frame
      if (frame === undefined) return undefined
      if (frame.opcode !== opcode.close) continue
      this.send(encode(opcode.close, frame.payload))
      return { code: frame.payload.readUInt16BE(0), reason: frame.payload.subarray(2).toString() }
    }
  })

  /** Reads on until nothing more will come. */
  readonly ended = Effect.promise(() => this.#next((_, ended) => ended ? [true, Buffer.alloc(0)] as const : undefined))
}

/** One answer with its whole body. */
const readAnswer = (bodiless: boolean) => (bytes: Buffer, ended: boolean): readonly [RawAnswer, Buffer] | undefined => {
  const end = bytes.indexOf("\r\n\r\n")
  if (end < 0) return undefined
  const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n")
  const headers: Record<string, string> = {}
  for (const line of lines) headers[line.slice(0, line.indexOf(":")).toLowerCase()] = line.slice(line.indexOf(":") + 2)
  const status = Number(first.split(" ")[1])
  const body = bytes.subarray(end + 4)
  const answer = (length: number) =>
    [{ status, headers, text: body.subarray(0, length).toString() }, body.subarray(length)] as const
  if (bodiless || status < 200 || status === 204 || status === 304) return answer(0)
  if (headers["content-length"] !== undefined) {
    const length = Number(headers["content-length"])
    return body.length < length ? undefined : answer(length)
  }
  if (headers["transfer-encoding"] === "chunked") {
    const last = body.indexOf("0\r\n\r\n")
    return last < 0 ? undefined : answer(last + 5)
  }
  return ended ? answer(body.length) : undefined
}

const readFrame = (bytes: Buffer): readonly [Frame, Buffer] | undefined => {
  if (bytes.length < 2) return undefined
  let length = bytes[1]! & 0x7f
  let start = 2
  if (length === 126) {
    if (bytes.length < 4) return undefined
    length = bytes.readUInt16BE(2)
    start = 4
  } else if (length === 127) {
    if (bytes.length < 10) return undefined
    length = Number(bytes.readBigUInt64BE(2))
    start = 10
  }
  if (bytes.length < start + length) return undefined
  const payload = bytes.subarray(start, start + length)
  return [{ opcode: bytes[0]! & 0x0f, payload }, bytes.subarray(start + length)]
}

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface FrameOptions {
  /** Whether this is the message's last fragment. */
  readonly fin?: boolean
  readonly masked?: boolean
  /** The three reserved bits. */
  readonly reserved?: number
  /** A length that is not the payload's own. */
  readonly length?: bigint
}

/** A client's frame, right or wrong. */
export const encode = (code: number, payload: string | Uint8Array, options: FrameOptions = {}): Buffer => {
  const { fin = true, masked = true, reserved = 0 } = options
  const data = Buffer.from(payload as string)
  const length = options.length ?? BigInt(data.length)
  const head = Buffer.alloc(length < 126n ? 2 : length < 65_536n ? 4 : 10)
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | code
  head[1] = (masked ? 0x80 : 0) | (length < 126n ? Number(length) : length < 65_536n ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(Number(length), 2)
  if (head.length === 10) head.writeBigUInt64BE(length, 2)
  if (!masked) return Buffer.concat([head, data])
  const mask = randomBytes(4)
  for (let index = 0; index < data.length; index++) data[index]! ^= mask[index % 4]!
  return Buffer.concat([head, mask, data])
}

/** A connection to the service, cut when the scope closes. */
export const connect = Effect.gen(function* () {
  const { port } = new URL(yield* baseUrl)
  return yield* Effect.acquireRelease(
    Effect.callback<Connection>((resume) => {
      const socket = connectTcp({ port: Number(port), host: "127.0.0.1" })
      socket.once("connect", () => resume(Effect.succeed(new Connection(socket))))
    }),
    (connection) => Effect.sync(() => connection.destroy())
  )
})

/** The first answer to `bytes`, on a connection of its own. */
export const exchange = (bytes: string) =>
  Effect.scoped(Effect.gen(function* () {
    const connection = yield* connect
    connection.send(bytes)
    return yield* (bytes.startsWith("HEAD ") ? connection.headAnswer : connection.answer)
  }))

export const request = (line: string, headers: ReadonlyArray<string> = [], body = ""): string =>
  [`${line} HTTP/1.1`, "Host: localhost", ...headers, "", body].join("\r\n")

/** A WebSocket handshake; `path` with whatever query. */
export const handshake = (path: string, headers: ReadonlyArray<string> = []): string =>
  request(`GET ${path}`, [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers
  ])

/** An open socket, `ready` already read. */
export const openSocket = Effect.fn("openSocket")(function* (token: string, query = "") {
  const connection = yield* connect
  connection.send(handshake(`/ws?token=${token}${query}`))
  const answer = yield* connection.answer
  if (answer?.status !== 101) throw new Error(`refused: ${JSON.stringify(answer)}`)
  const ready = yield* connection.json
  if (ready?.type !== "ready") throw new Error(`not ready: ${JSON.stringify(ready)}`)
  return { connection, ready: ready.payload }
})
