// Load on a server, from a process of its own, with what it costs whom.
import type { HttpDone, HttpJob } from "./LoadJob.ts"
import { cpuByThread, cpuOfFamily, cpuSince, giveWay, Worker } from "./Processes.ts"
import type { Sample } from "./Report.ts"

export { request } from "./LoadJob.ts"

/** A server under measurement. */
export interface Target {
  readonly port: number
  readonly pid: number
  /** The PostgreSQL server that it uses, if any: all its processes count. */
  readonly postmaster?: number | undefined
}

export class Load implements AsyncDisposable {
  readonly #worker = new Worker("./LoadWorker.ts")

  constructor({ givesWay }: { readonly givesWay: boolean }) {
    if (givesWay) giveWay(this.#worker.pid)
  }

  run(job: HttpJob): Promise<HttpDone> {
    return this.#worker.ask<HttpDone>(job)
  }

  /** Each request once; all must be answered by `status`. Answers the bodies, parsed. */
  async each<A>(target: Target, requests: ReadonlyArray<string>, status = 200): Promise<ReadonlyArray<A>> {
    const done = await this.run({ port: target.port, connections: 32, seconds: 0, requests, status, once: true })
    if (done.errors > 0) throw new Error(`${done.errors} of ${requests.length} calls failed: ${done.error}`)
    return done.bodies.map((body) => (body === "" ? undefined : JSON.parse(body)) as A)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#worker[Symbol.asyncDispose]()
  }
}

/** Processor time of a target around `work`. */
export const costOf = async <A>(
  target: Target,
  work: () => Promise<A>
): Promise<{ readonly result: A; readonly server: number; readonly database: number | undefined }> => {
  const database = () => target.postmaster === undefined ? undefined : cpuOfFamily(target.postmaster)
  const [threads, before] = [cpuByThread(target.pid), database()]
  const result = await work()
  const server = cpuSince(target.pid, threads)
  const after = database()
  return {
    result,
    server,
    database: before === undefined || after === undefined ? undefined : after - before
  }
}

export type Call = Omit<HttpJob, "port" | "connections" | "seconds" | "once">

/** The same call over many connections, then over one. `onDone` sees each run, for what it leaves behind. */
export const measureCall = async (
  load: Load,
  target: Target,
  call: () => Call,
  seconds: number,
  onDone: (done: HttpDone) => void = () => undefined
): Promise<Sample> => {
  const busy = await costOf(target, () => load.run({ ...call(), port: target.port, connections: 32, seconds }))
  const { result } = busy
  onDone(result)
  const alone = await load.run({ ...call(), port: target.port, connections: 1, seconds: seconds / 2 })
  onDone(alone)
  const errors = result.errors + alone.errors
  if (result.answers === 0) throw new Error(result.error || "no answers")
  return {
    "req/s": result.answers / result.elapsed,
    "p50 ms": result.p50,
    "p99 ms": result.p99,
    "1: p50 ms": alone.p50,
    "1: p99 ms": alone.p99,
    "CPU µs": busy.server / result.answers * 1e6,
    ...(busy.database === undefined ? {} : { "PG µs": busy.database / result.answers * 1e6 }),
    "load CPU %": result.cpu / result.elapsed * 100,
    ...(errors === 0 ? {} : { errors })
  }
}
