// PGlite as the far end of a PostgreSQL connection. One stream owns the database from its startup message until it is
// destroyed, as one session; the next waits, and starts with nothing of the one before: no transaction, no prepared
// statement. Requests are answered in order, by whole protocol messages, however the bytes were cut on their way.
// @effect-diagnostics asyncFunction:off -- a `Duplex` is promises and callbacks on both of its sides
import type { PGlite } from "@electric-sql/pglite"
import { Duplex } from "node:stream"

const sslRequest = 80_877_103
const gssRequest = 80_877_104
const cancelRequest = 80_877_102
const terminate = 0x58

/** Who may speak to a PGlite: its streams one after another. */
export class PgliteGate {
  readonly #db: PGlite
  #failure: Error | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(db: PGlite) {
    this.#db = db
  }

  /** A PGlite that has thrown has exited, and would spin for ever on the next message: it is never asked again. */
  async execute(messages: Uint8Array): Promise<Uint8Array> {
    if (this.#failure !== undefined) throw this.#failure
    try {
      return await this.#db.execProtocolRaw(messages)
    } catch (cause) {
      this.#failure = new Error("The embedded database has failed", { cause })
      throw this.#failure
    }
  }

  get usable(): boolean {
    return this.#failure === undefined && !this.#db.closed
  }

  /** Resolves when every holder before this one has let go; the answer lets go. */
  async take(): Promise<() => void> {
    const before = this.#last
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#last = promise
    await before
    return resolve
  }
}

const simpleQuery = (sql: string): Buffer => {
  const text = Buffer.from(`${sql}\0`)
  const message = Buffer.alloc(5 + text.length)
  message.write("Q")
  message.writeInt32BE(4 + text.length, 1)
  text.copy(message, 5)
  return message
}

const sync = Buffer.from([0x53, 0, 0, 0, 4])
const rollback = simpleQuery("rollback")
const discard = simpleQuery("discard all")

export class PgliteStream extends Duplex {
  readonly #gate: PgliteGate
  #release: (() => void) | undefined
  #pending: Buffer = Buffer.alloc(0)
  #wanted: (() => void) | undefined
  #busy: Promise<void> = Promise.resolve()
  #waiting = false
  #terminated = false

  constructor(gate: PgliteGate) {
    super()
    this.#gate = gate
  }

  override _read(): void {
    this.#wanted?.()
    this.#wanted = undefined
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    this.#busy = this.#answer().then(() => done(), done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#terminate().then(() => done(), done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wanted?.()
    // One that still waits for its turn holds nothing: its turn passes when it comes.
    if (this.#waiting) return done(error)
    this.#busy.then(() => this.#leave()).then(() => done(error), done)
  }

  /** Answers every whole message that has arrived. */
  async #answer(): Promise<void> {
    if (!this.#terminated && this.#release === undefined) await this.#start()
    if (this.#terminated || this.#release === undefined) return
    const { messages, rest, ends } = wholeMessages(this.#pending)
    this.#pending = rest
    if (messages.length > 0) await this.#reply(await this.#gate.execute(messages))
    if (ends) await this.#terminate()
  }

  async #terminate(): Promise<void> {
    this.#terminated = true
    await this.#leave()
    this.push(null)
  }

  /** The messages before a session, which have a length but no type. */
  async #start(): Promise<void> {
    for (;;) {
      const { length } = this.#pending
      if (length < 4) return
      const size = this.#pending.readInt32BE(0)
      if (size < 8) throw new Error("Not a PostgreSQL startup message")
      if (length < size) return
      const message = this.#pending.subarray(0, size)
      this.#pending = this.#pending.subarray(size)
      const code = message.readInt32BE(4)
      if (code === cancelRequest) return this.#terminate()
      if (code === sslRequest || code === gssRequest) {
        await this.#reply(Buffer.from("N"))
        continue
      }
      this.#waiting = true
      const release = await this.#gate.take()
      this.#waiting = false
      if (this.destroyed) return release()
      this.#release = release
      // This answer, unlike all others, is a view of memory that the next one overwrites.
      await this.#reply(Buffer.from(await this.#gate.execute(message)))
      return
    }
  }

  /** Waits for a reader that has fallen behind. */
  async #reply(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0 || this.destroyed || this.push(bytes)) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wanted = resolve
    await promise
  }

  /** What a server does when a connection closes. */
  async #leave(): Promise<void> {
    const release = this.#release
    if (release === undefined) return
    this.#release = undefined
    try {
      if (this.#gate.usable) { for (const message of [sync, rollback, discard]) await this.#gate.execute(message) }
    } finally {
      release()
    }
  }
}

/** Cuts what has arrived into the messages that are complete and the bytes that wait for more. */
const wholeMessages = (bytes: Buffer): { readonly messages: Buffer; readonly rest: Buffer; readonly ends: boolean } => {
  let end = 0
  while (bytes.length >= end + 5) {
    const size = bytes.readInt32BE(end + 1)
    if (size < 4) throw new Error("Not a PostgreSQL message")
    const next = end + 1 + size
    if (bytes.length < next) break
    if (bytes[end] === terminate) return { messages: bytes.subarray(0, end), rest: Buffer.alloc(0), ends: true }
    end = next
  }
  return { messages: bytes.subarray(0, end), rest: bytes.subarray(end), ends: false }
}
