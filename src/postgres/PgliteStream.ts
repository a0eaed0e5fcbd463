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
  readonly db: PGlite
  #last: Promise<void> = Promise.resolve()

  constructor(db: PGlite) {
    this.db = db
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

  override _final(done: () => void): void {
    this.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wanted?.()
    this.#busy.then(() => this.#leave()).then(() => done(error), done)
  }

  /** Answers every whole message that has arrived. */
  async #answer(): Promise<void> {
    if (this.#release === undefined && !(await this.#start())) return
    const { messages, rest, ends } = wholeMessages(this.#pending)
    this.#pending = rest
    if (messages.length > 0) await this.#reply(await this.#gate.db.execProtocolRaw(messages))
    if (ends) this.push(null)
  }

  /** The messages before a session, which have a length but no type. Answers whether the session has begun. */
  async #start(): Promise<boolean> {
    for (;;) {
      const { length } = this.#pending
      const size = length < 4 ? Infinity : this.#pending.readInt32BE(0)
      if (length < Math.max(size, 8)) return false
      const message = this.#pending.subarray(0, size)
      this.#pending = this.#pending.subarray(size)
      const code = message.readInt32BE(4)
      if (code === cancelRequest) {
        this.push(null)
        return false
      }
      if (code === sslRequest || code === gssRequest) {
        await this.#reply(Buffer.from("N"))
        continue
      }
      this.#release = await this.#gate.take()
      await this.#reply(await this.#gate.db.execProtocolRaw(message))
      return true
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
    const { db } = this.#gate
    try {
      if (!db.closed) { for (const message of [sync, rollback, discard]) await db.execProtocolRaw(message) }
    } finally {
      release()
    }
  }
}

/** Cuts what has arrived into the messages that are complete and the bytes that wait for more. */
const wholeMessages = (bytes: Buffer): { readonly messages: Buffer; readonly rest: Buffer; readonly ends: boolean } => {
  let end = 0
  while (bytes.length >= end + 5) {
    const next = end + 1 + bytes.readInt32BE(end + 1)
    if (bytes.length < next) break
    if (bytes[end] === terminate) return { messages: bytes.subarray(0, end), rest: Buffer.alloc(0), ends: true }
    end = next
  }
  return { messages: bytes.subarray(0, end), rest: bytes.subarray(end), ends: false }
}
