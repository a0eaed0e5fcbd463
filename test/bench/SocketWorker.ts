// A process that opens WebSockets and talks over them. It speaks RFC 6455 by hand over raw sockets, and reads of what it
// hears no more than it must, for the reason that LoadWorker gives.
import { connect, type Socket } from "node:net"
import { setTimeout } from "node:timers/promises"
import { percentile } from "./LoadJob.ts"

export type SocketJob =
  | {
    /** One handshake after the other over each of `connections`, up to the first frame. */
    readonly kind: "handshakes"
    readonly port: number
    readonly tokens: ReadonlyArray<string>
    readonly connections: number
    readonly seconds: number
  }
  | {
    /** Opens so many more sockets and keeps them. */
    readonly kind: "open"
    readonly port: number
    readonly tokens: ReadonlyArray<string>
    readonly count: number
  }
  | {
    /** Everybody that is open enters a channel, as many each. */
    readonly kind: "join"
    readonly channels: ReadonlyArray<number>
  }
  | {
    /**
     * Those who are in the first `rooms` channels talk, `perSecond` frames in all: a `candidate` of each to each other there in turn, or a
     * `mute` of each in turn, which all others there hear of.
     */
    readonly kind: "talk"
    readonly frame: "candidate" | "mute"
    readonly rooms: number
    readonly perSecond: number
    readonly seconds: number
  }
  | { readonly kind: "close" }

export interface SocketsDone {
  /** Handshakes, sockets that are open, or frames that were delivered. */
  readonly count: number
  /** Frames that were sent. */
  readonly sent: number
  readonly errors: number
  readonly error: string
  readonly elapsed: number
  readonly p50: number
  readonly p99: number
  readonly cpu: number
}

const handshake = (token: string) =>
  `GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\nConnection: Upgrade\r\n` +
  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

/** A client's frame is masked; by zeros it stays as it is. */
const frameOf = (opcode: number, payload: Buffer): Buffer => {
  const long = payload.length > 125
  const head = Buffer.alloc(long ? 8 : 6)
  head[0] = 0x80 | opcode
  head[1] = 0x80 | (long ? 126 : payload.length)
  if (long) head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}

const text = (frame: object): Buffer => frameOf(1, Buffer.from(JSON.stringify(frame)))

const none = Buffer.alloc(0)

class Client {
  readonly socket: Socket
  connectionId = ""
  muted = false
  onFrame: (payload: Buffer) => void = () => undefined
  #rest = none
  #open = false

  constructor(port: number, token: string, onOpen: (client: Client) => void, onLost: (why: string) => void) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => this.socket.write(handshake(token)))
    this.onFrame = (payload) => {
      this.connectionId = JSON.parse(payload.toString()).payload.connection_id
      this.onFrame = () => undefined
      onOpen(this)
    }
    this.socket.on("data", (chunk) => {
      this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
      if (!this.#open) {
        const head = this.#rest.indexOf("\r\n\r\n")
        if (head < 0) return
        const status = this.#rest.toString("latin1", 9, 12)
        if (status !== "101") {
          onLost(`the handshake was answered ${status}`)
          this.socket.destroy()
          return
        }
        this.#open = true
        this.#rest = this.#rest.subarray(head + 4)
      }
      this.#read()
    })
    this.socket.on("error", (error) => onLost(String(error)))
    this.socket.on("end", () => onLost("the server closed the connection"))
  }

  #read(): void {
    for (;;) {
      const data = this.#rest
      if (data.length < 2) return
      const short = data[1]! & 0x7f
      const from = short === 127 ? 10 : short === 126 ? 4 : 2
      if (data.length < from) return
      const length = short === 127 ? Number(data.readBigUInt64BE(2)) : short === 126 ? data.readUInt16BE(2) : short
      if (data.length < from + length) return
      const payload = data.subarray(from, from + length)
      this.#rest = data.subarray(from + length)
      const opcode = data[0]! & 0x0f
      if (opcode === 1) this.onFrame(payload)
      else if (opcode === 9) this.socket.write(frameOf(10, payload))
    }
  }
}

const clients: Array<Client> = []
/** Who is in a channel together. */
const rooms: Array<ReadonlyArray<Client>> = []

interface Tally {
  count: number
  sent: number
  errors: number
  error: string
  readonly times: Array<number>
}

const tally = (): Tally => ({ count: 0, sent: 0, errors: 0, error: "", times: [] })

const handshakes = (job: SocketJob & { readonly kind: "handshakes" }, done: Tally): Promise<void> =>
  new Promise((resolve) => {
    const deadline = performance.now() + job.seconds * 1000
    let [turn, running] = [0, job.connections]
    const one = () => {
      if (performance.now() >= deadline) {
        if (--running === 0) resolve()
        return
      }
      const begun = performance.now()
      let over = false
      const end = () => {
        over = true
        // A reset leaves no port waiting, of which a machine has not enough for this.
        client.socket.resetAndDestroy()
        one()
      }
      const client = new Client(job.port, job.tokens[turn++ % job.tokens.length]!, () => {
        if (over) return
        done.count++
        done.times.push(performance.now() - begun)
        end()
      }, (why) => {
        if (over) return
        done.errors++
        done.error ||= why
        end()
      })
    }
    for (let n = 0; n < job.connections; n++) one()
  })

const open = (job: SocketJob & { readonly kind: "open" }, done: Tally): Promise<void> =>
  new Promise((resolve) => {
    let [started, running] = [0, 0]
    const more = () => {
      if (done.count + done.errors >= job.count) {
        done.count = clients.length
        resolve()
        return
      }
      while (running < 32 && started < job.count) {
        running++
        const token = job.tokens[started++ % job.tokens.length]!
        let settled = false
        const client: Client = new Client(job.port, token, () => {
          settled = true
          clients.push(client)
          done.count++
          running--
          more()
        }, (why) => {
          if (settled) return
          settled = true
          done.errors++
          done.error ||= why
          running--
          more()
        })
      }
    }
    more()
  })

const join = async (channels: ReadonlyArray<number>): Promise<void> => {
  const size = clients.length / channels.length
  for (const [n, channel] of channels.entries()) {
    const room = clients.slice(n * size, (n + 1) * size)
    for (const client of room) {
      const joined = new Promise<void>((resolve) => {
        client.onFrame = (payload) => {
          if (payload.includes('"channel_users"')) resolve()
        }
      })
      client.socket.write(text({ type: "join_channel", id: 1, payload: { channel_id: channel } }))
      await joined
      client.onFrame = () => undefined
    }
    rooms.push(room)
  }
}

/** Waits until as many have come as should, or none for a while, and then for what the server gathers before it does it. */
const quiet = async (done: Tally, expected: number): Promise<void> => {
  for (let heardAt = performance.now(), before = done.count; done.count < expected;) {
    await setTimeout(10)
    if (done.count > before) heardAt = performance.now()
    else if (performance.now() - heardAt > 500) break
    before = done.count
  }
  await setTimeout(100)
}

const talk = async (job: SocketJob & { readonly kind: "talk" }, done: Tally): Promise<number> => {
  const wanted = Buffer.from(job.frame === "candidate" ? '"ice_candidate"' : '"user_updated"')
  for (const client of clients) {
    client.onFrame = (payload) => {
      if (!payload.includes(wanted)) return
      done.count++
      // Every eighth is enough to know how long they take.
      if (job.frame !== "candidate" || done.count % 8 !== 0) return
      const at = payload.indexOf("sent ")
      done.times.push(performance.now() - Number(payload.toString("latin1", at + 5, payload.indexOf('"', at))))
    }
  }
  const begun = performance.now()
  const next = new Map<Client, number>()
  /** The rooms take turns, and in each its members. */
  const say = (n: number) => {
    const room = rooms[n % job.rooms]!
    const at = Math.floor(n / job.rooms) % room.length
    const client = room[at]!
    if (job.frame === "mute") {
      client.muted = !client.muted
      client.socket.write(text({ type: "mute", payload: { muted: client.muted } }))
      return
    }
    const last = next.get(client) ?? at
    const to = (last + 1) % room.length === at ? (at + 1) % room.length : (last + 1) % room.length
    next.set(client, to)
    const candidate =
      "candidate:842163049 1 udp 1677729535 203.0.113.7 61481 typ srflx raddr 0.0.0.0 rport 0 generation 0 " +
      `ufrag 8hhY sent ${performance.now()}`
    client.socket.write(text({
      type: "ice_candidate",
      payload: { to: room[to]!.connectionId, candidate: { candidate, sdpMid: "0", sdpMLineIndex: 0 } }
    }))
  }
  let elapsed = 0
  while (elapsed < job.seconds) {
    for (const due = Math.floor(elapsed * job.perSecond); done.sent < due; done.sent++) say(done.sent)
    await setTimeout(1)
    elapsed = (performance.now() - begun) / 1000
  }
  return elapsed
}

const run = async (job: SocketJob): Promise<SocketsDone> => {
  const done = tally()
  const cpu = process.cpuUsage()
  const begun = performance.now()
  let elapsed: number | undefined
  if (job.kind === "handshakes") await handshakes(job, done)
  else if (job.kind === "open") await open(job, done)
  else if (job.kind === "join") await join(job.channels)
  else if (job.kind === "talk") {
    elapsed = await talk(job, done)
    await quiet(done, done.sent * (job.frame === "mute" ? rooms[0]!.length - 1 : 1))
  } else {
    for (const { socket } of clients.splice(0)) socket.resetAndDestroy()
  }
  elapsed ??= (performance.now() - begun) / 1000
  const used = process.cpuUsage(cpu)
  const sorted = done.times.toSorted((a, b) => a - b)
  return {
    count: done.count,
    sent: done.sent,
    errors: done.errors,
    error: done.error,
    elapsed,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    cpu: (used.user + used.system) / 1e6
  }
}

process.on("message", (job: SocketJob) => {
  void run(job).then((done) => process.send!(done))
})
process.on("disconnect", () => process.exit())
