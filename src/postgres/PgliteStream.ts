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
/** Query, FunctionCall and Sync: what ReadyForQuery answers. */
const closing = new Set(Buffer.from("QFS"))
/** What may come before those. */
const opening = new Set(Buffer.from("BCDEHPcdf"))
const readyForQuery = 0x5a
const commandComplete = 0x43
const notificationResponse = 0x41
/** Its type, its length and the process it comes from. */
const notificationHead = 9
/** How much is answered, in bytes and milliseconds, before the reader and the rest of the process have their turn. */
const maxUnsent = 256 * 1024
const maxTurn = 10

/** Who may speak to a PGlite: its streams one after another. Each listens to `channels`, whether or not its user does. */
export class PgliteGate {
  readonly channels: ReadonlyArray<string>
  readonly #db: PGlite
  readonly #listeners = new Map<string, Set<(payload: string) => void>>()
  #failure: Error | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(db: PGlite, channels: ReadonlyArray<string> = []) {
    this.#db = db
    this.channels = channels
  }

  /** Has `listener` called with each notification of one of the channels, once it is committed; the answer ends that. */
  attend(channel: string, listener: (payload: string) => void): () => void {
    const listeners = this.#listeners.get(channel) ?? new Set()
    this.#listeners.set(channel, listeners.add(listener))
    return () => listeners.delete(listener)
  }

  /**
   * The answer to one message, which PostgreSQL `closes` with ReadyForQuery or not.
   *
   * **Gotchas**
   *
   * A PGlite that has thrown, or not closed its answer, has exited, and would spin for ever on the next message: it is
   * never asked again. It gets one message at a time, because of several it would retry the rest for ever. Its other
   * methods keep a copy of every answer for as long as it lives.
   */
  async execute(message: Uint8Array, closes: boolean): Promise<Uint8Array> {
    if (this.#failure !== undefined) throw this.#failure
    const chunks: Array<Uint8Array> = []
    try {
      await this.#db.execProtocolRawStream(message, {
        syncToFs: false,
        onRawData: (bytes) => chunks.push(bytes.slice())
      })
    } catch (cause) {
      throw this.#fail(cause)
    }
    const answer = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    if (!closes) return answer
    if (answer.at(-6) !== readyForQuery) throw this.#fail("no ReadyForQuery")
    this.#tell(answer)
    return answer
  }

  #tell(answer: Uint8Array): void {
    const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength)
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + bytes.readInt32BE(at + 1)
      if (bytes[at] === notificationResponse) {
        const [channel, payload] = bytes.toString("utf8", at + notificationHead, end).split("\0")
        for (const listener of this.#listeners.get(channel!) ?? []) listener(payload!)
      }
      at = end
    }
  }

  /** Resolves when all that was executed is as durable as the file system makes it. */
  async sync(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    try {
      await this.#db.syncToFs()
    } catch (cause) {
      throw this.#fail(cause)
    }
  }

  #fail(cause: unknown): Error {
    return this.#failure = new Error("The embedded database has failed", { cause })
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

  /** Closes the database after its last session. A database that has failed is left as it is. */
  async close(): Promise<void> {
    await this.take()
    if (this.usable) await this.#db.close()
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
  #inCycle = false

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
    await this.#execute(messages)
    if (ends) await this.#terminate()
  }

  async #execute(messages: ReadonlyArray<Buffer>): Promise<void> {
    let unsent: Array<Uint8Array> = []
    let size = 0
    let since = performance.now()
    const send = async () => {
      await this.#gate.sync()
      await this.#reply(unsent.length === 1 ? unsent[0]! : Buffer.concat(unsent))
      unsent = []
      size = 0
    }
    for (const message of messages) {
      if (this.destroyed) return
      const closes = closing.has(message[0]!)
      const answer = await this.#gate.execute(message, closes)
      this.#inCycle = !closes
      unsent.push(answer)
      size += answer.length
      if (size > maxUnsent) await send()
      if (closes && performance.now() - since > maxTurn) {
        await new Promise((resume) => setImmediate(resume))
        since = performance.now()
      }
    }
    if (unsent.length > 0) await send()
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
      const welcome = await this.#gate.execute(message, true)
      for (const channel of this.#gate.channels) {
        const answer = await this.#gate.execute(simpleQuery(`listen ${channel}`), true)
        if (answer[0] !== commandComplete) throw new Error(`Not listening to ${channel}`)
      }
      await this.#reply(welcome)
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
      if (!this.#gate.usable) return
      if (this.#inCycle) {
        // A Sync alone would commit what ran since the last one. After an error it is the rollback that is passed over.
        await this.#gate.execute(rollback, false)
        await this.#gate.execute(sync, true)
      }
      await this.#gate.execute(rollback, true)
      await this.#gate.execute(discard, true)
      await this.#gate.sync()
    } finally {
      release()
    }
  }
}

/** Cuts what has arrived into the messages that are complete and the bytes that wait for more. */
const wholeMessages = (
  bytes: Buffer
): { readonly messages: ReadonlyArray<Buffer>; readonly rest: Buffer; readonly ends: boolean } => {
  const messages: Array<Buffer> = []
  let end = 0
  while (bytes.length >= end + 5) {
    const type = bytes[end]!
    if (type === terminate) return { messages, rest: Buffer.alloc(0), ends: true }
    const size = bytes.readInt32BE(end + 1)
    // PGlite exits at a type it does not know.
    if (size < 4 || (!closing.has(type) && !opening.has(type))) throw new Error("Not a PostgreSQL message")
    const next = end + 1 + size
    if (bytes.length < next) break
    messages.push(bytes.subarray(end, next))
    end = next
  }
  return { messages, rest: bytes.subarray(end), ends: false }
}
