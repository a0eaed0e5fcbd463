// A process that asks over keep-alive connections, each one request at a time, and times the answers. It speaks HTTP/1.1
// by hand over raw sockets, so that on a small machine it takes little of what the server could use.
import { connect, type Socket } from "node:net"
import { type HttpDone, type HttpJob, percentile, request } from "./LoadJob.ts"

interface Answer {
  readonly status: number
  readonly body: Buffer
  readonly end: number
}

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

const run = (job: HttpJob): Promise<HttpDone> =>
  new Promise((resolve) => {
    const requests = job.requests.map((text) => Buffer.from(text))
    const tokens = [...job.refresh?.tokens ?? []]
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
        if (job.refresh === undefined) {
          which = turn++
          socket.write(requests[which % requests.length]!)
          return
        }
        token += job.connections
        if (token >= tokens.length) token = number
        socket.write(request("POST", job.refresh.path, undefined, { refresh_token: tokens[token] }))
      }
      const failed = (what: string) => {
        errors++
        error ||= what
      }
      const start = () => {
        let gone = false
        const socket = connect({ port: job.port, host: "127.0.0.1", noDelay: true }, () => next(socket))
        const lost = (why: string) => {
          if (gone) return
          gone = true
          failed(why)
          rest = none
          if (job.once !== true && performance.now() < deadline) start()
          else if (--open === 0) finish()
        }
        socket.on("data", (chunk) => {
          rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
          const answer = parse(rest)
          if (answer === undefined) return
          rest = rest.subarray(answer.end)
          last = performance.now()
          if (answer.status !== job.status) failed(`${answer.status} ${answer.body.toString().slice(0, 200)}`)
          else {
            answers++
            if (last >= settled && last < deadline) times.push(last - sent)
          }
          if (answer.status === job.status && job.refresh !== undefined) {
            tokens[token] = JSON.parse(answer.body.toString()).refresh_token
          } else if (job.once === true) bodies[which] = answer.body.toString()
          next(socket)
        })
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
