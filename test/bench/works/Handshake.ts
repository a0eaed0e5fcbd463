// A socket is opened: the token is checked, the handshake answered, the first frame said.
import { onNode, readersOf } from "../Bench.ts"
import { costOf, type Target } from "../Load.ts"
import { Worker } from "../Processes.ts"
import type { Case, Sample } from "../Report.ts"
import type { SocketJob, SocketsDone } from "../SocketWorker.ts"
import { measured, type Work } from "./Work.ts"

const bare = "bare ws, Map"

export const handshake: Work = {
  name: "handshake",
  title: "GET /ws, up to the first frame",
  run: async (bench) => {
    await bench.ready(
      ...bench.variants.map(({ embedded, runtime }) => () => bench.roomkey(runtime, embedded)),
      bench.ws
    )
    await using worker = new Worker("./SocketWorker.ts")
    const measure = async (
      target: Target,
      sessions: ReadonlyArray<{ readonly token: string }>,
      seconds: number
    ): Promise<Sample> => {
      const tokens = readersOf(sessions).map(({ token }) => token)
      const job = { kind: "handshakes", port: target.port, tokens, seconds } as const
      const { database, result, server } = await costOf(
        target,
        () => worker.ask<SocketsDone>({ ...job, connections: 32 } satisfies SocketJob)
      )
      const alone = await worker.ask<SocketsDone>({ ...job, connections: 1, seconds: seconds / 2 } satisfies SocketJob)
      if (result.count === 0) throw new Error(result.error || "no handshakes")
      const errors = result.errors + alone.errors
      return {
        "handshakes/s": result.count / result.elapsed,
        "p50 ms": result.p50,
        "p99 ms": result.p99,
        "1: p50 ms": alone.p50,
        "1: p99 ms": alone.p99,
        "CPU µs": server / result.count * 1e6,
        ...(database === undefined ? {} : { "PG µs": database / result.count * 1e6 }),
        "load CPU %": result.cpu / result.elapsed * 100,
        ...(errors === 0 ? {} : { errors })
      }
    }
    const cases: ReadonlyArray<Case> = [
      {
        name: bare,
        run: async (seconds) => {
          const { server, sessions } = await bench.ws()
          return measure(server, sessions, seconds)
        }
      },
      ...bench.variants.map(({ embedded, name, runtime }): Case => ({
        name,
        run: async (seconds) => {
          const { server, sessions } = await bench.roomkey(runtime, embedded)
          return measure(server, sessions, seconds)
        }
      }))
    ]
    const rate = (subject: string) => ({ subject, column: "handshakes/s" })
    return measured(await bench.rounds(cases), [
      { of: rate(onNode), to: rate(bare), target: "≥ 0.6" },
      ...bench.variants.slice(1).map(({ name }) => ({ of: rate(name), to: rate(bare) }))
    ], ["Each ends by a reset from the client: orderly closes would use up the machine's ports."])
  }
}
