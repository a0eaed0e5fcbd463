// A process that asks over keep-alive connections, each one request at a time, and times the answers. It speaks HTTP/1.1
// by hand over raw sockets, so that on a small machine it takes little of what the server could use.
import { connect, type Socket } from "node:net"
import { type HttpDone, type HttpJob, percentile, request } from "./LoadJob.ts"

interface Answer {
  readonly status: number
  readonly body: Buffer
  readonly end: number
}

/** Where every connection is read into; what is there counts until the next one is. */
const buffer = Buffer.allocUnsafe(256 * 1024)

/** The end of a chunked body and what is in it; undefined while it is incomplete. */
const chunked = (data: Buffer, from: number): { readonly body: Buffer; readonly end: number } | undefined => {
  const parts: Array<Buffer> = []
  for (let at = from;;) {
    const line = data.indexOf("\r\n", at)
    if (line < 0) return undefined
    const size = Number.parseInt(data.toString("latin1", at, line), 16)
    const end = line + 2 + size + 2
    if (data.length < end) return undefined
    if (size === 0) return { body: Buffer.concat(parts), end }
    parts.push(data.subarray(line + 2, line + 2 + size))
    at = end
  }
}

const parse = (data: Buffer): Answer | undefined => {
  const head = data.indexOf("\r\n\r\n")
  if (head < 0) return undefined
  const text = data.toString("latin1", 0, head)
  const status = Number(text.slice(9, 12))
  const from = head + 4
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)
  if (length !== null) {
    const end = from + Number(length[1])
    return data.length < end ? undefined : { status, body: data.subarray(from, end), end }
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(text)) return { status, body: data.subarray(from, from), end: from }
  const found = chunked(data, from)
  return found === undefined ? undefined : { status, ...found }
}

const none = Buffer.alloc(0)

/** The request that trades a token; all are of one length. */
const trading = ({ path, tokens }: NonNullable<HttpJob["refresh"]>) => {
  const [before, after] = request("POST", path, undefined, { refresh_token: tokens[0] }).split(tokens[0]!)
  return (token: string): string => before + token + after
}

const run = (job: HttpJob): Promise<HttpDone> =>
  new Promise((resolve) => {
    const requests = job.requests.map((text) => Buffer.from(text))
    const tokens = [...job.refresh?.tokens ?? []]
    const trade = job.refresh === undefined ? undefined : trading(job.refresh)
    const bodies: Array<string> = []
    const times: Array<number> = []
    let [turn, errors, error, open] = [0, 0, "", 0]
    const cpu = process.cpuUsage()
    const begun = performance.now()
    const settled = begun + (job.settle ?? 0) * 1000
    const deadline = settled + job.seconds * 1000
    let [last, answers] = [begun, 0]

    const finish = () => {
      const used = process.cpuUsage(cpu)
      const sorted = Float64Array.from(times).sort()
      resolve({
        answers,
        inTime: times.length,
        errors,
        error,
        elapsed: (last - begun) / 1000,
        p50: percentile(sorted, 0.5),
        p99: percentile(sorted, 0.99),
        cpu: (used.user + used.system) / 1e6,
        tokens,
        bodies
      })
    }

    const ask = (number: number) => {
      let [rest, sent, token, which] = [none, 0, number - job.connections, 0]
      const next = (socket: Socket) => {
        sent = performance.now()
        const over = job.once === true ? turn >= requests.length : sent >= deadline
        if (over) {
          socket.destroy()
          if (--open === 0) finish()
          return
        }
        if (trade === undefined) {
          which = turn++
          socket.write(requests[which % requests.length]!)
          return
        }
        token += job.connections
        if (token >= tokens.length) token = number
        socket.write(trade(tokens[token]!), "latin1")
      }
      const failed = (what: string) => {
        errors++
        error ||= what
      }
      const start = () => {
        let gone = false
        const socket = connect({
          port: job.port,
          host: "127.0.0.1",
          noDelay: true,
          onread: {
            buffer,
            callback: (length) => {
              heard(buffer.subarray(0, length))
              return true
            }
          }
        }, () => next(socket))
        const lost = (why: string) => {
          if (gone) return
          gone = true
          failed(why)
          rest = none
          if (job.once !== true && performance.now() < deadline) start()
          else if (--open === 0) finish()
        }
        const heard = (chunk: Buffer) => {
          const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
          const answer = parse(data)
          const left = answer === undefined ? data : data.subarray(answer.end)
          // What is kept is a copy: others read into the same buffer.
          rest = left.length === 0 ? none : Buffer.from(left)
          if (answer === undefined) return
          last = performance.now()
          if (answer.status !== job.status) failed(`${answer.status} ${answer.body.toString().slice(0, 200)}`)
          else {
            answers++
            if (last >= settled && last < deadline) times.push(last - sent)
          }
          if (answer.status === job.status && trade !== undefined) {
            tokens[token] = JSON.parse(answer.body.toString("latin1")).refresh_token
          } else if (job.once === true) bodies[which] = answer.body.toString()
          next(socket)
        }
        socket.on("error", (cause) => lost(String(cause)))
        socket.on("end", () => lost("the server closed the connection"))
      }
      open++
      start()
    }
    for (let n = 0; n < job.connections; n++) ask(n)
  })

process.on("message", (job: HttpJob) => {
  void run(job).then((done) => process.send!(done))
})
process.on("disconnect", () => process.exit())
