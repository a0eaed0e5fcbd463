// A room of fifty. Nobody may send more than fifty frames a second, so a room cannot be driven to its end; what is
// compared is the processor time of a delivered frame, at the same rate on both sides, far from saturation.
import { onNode, readersOf, roomkeyName } from "../Bench.ts"
import { costOf, request, type Target } from "../Load.ts"
import { Worker } from "../Processes.ts"
import type { Case, Sample } from "../Report.ts"
import type { SocketJob, SocketsDone } from "../SocketWorker.ts"
import { measured, type Work } from "./Work.ts"

const bare = "bare ws, send in a loop"

const talks = [
  {
    name: "relay",
    frame: "candidate",
    perSecond: 1500,
    title: "an ice_candidate of each to each, 1500 frames a second"
  },
  { name: "broadcast", frame: "mute", perSecond: 150, title: "a mute of each in turn, 150 a second, told to 49 others" }
] as const

const works = talks.map(({ frame, name, perSecond, title }): Work => ({
  name,
  title: `A room of fifty: ${title}`,
  run: async (bench) => {
    await bench.ready(
      ...bench.variants.map(({ embedded, runtime }) => () => bench.roomkey(runtime, embedded)),
      bench.ws
    )
    const rooms = new AsyncDisposableStack()
    const entered = new Map<string, Promise<Worker>>()

    /** Fifty sockets in one channel, kept for all rounds. */
    const enter = async (target: Target, sessions: ReadonlyArray<{ readonly token: string }>, channel: number) => {
      const worker = rooms.use(new Worker("./SocketWorker.ts"))
      const tokens = readersOf(sessions).map(({ token }) => token)
      const open = { kind: "open", port: target.port, tokens, count: 50 } satisfies SocketJob
      const { count, error } = await worker.ask<SocketsDone>(open)
      if (count !== 50) throw new Error(error)
      await worker.ask<SocketsDone>({ kind: "join", channel } satisfies SocketJob)
      return worker
    }

    const once = (subject: string, enterRoom: () => Promise<Worker>): Promise<Worker> => {
      const worker = entered.get(subject) ?? enterRoom()
      entered.set(subject, worker)
      return worker
    }

    const measure = async (worker: Worker, target: Target, seconds: number): Promise<Sample> => {
      const { database, result, server } = await costOf(
        target,
        () => worker.ask<SocketsDone>({ kind: "talk", frame, perSecond, seconds } satisfies SocketJob)
      )
      if (result.count === 0) throw new Error("nothing was delivered")
      return {
        "CPU µs": server / result.count * 1e6,
        ...(database === undefined ? {} : { "PG µs": database / result.count * 1e6 }),
        "frames/s": result.sent / result.elapsed,
        "delivered/s": result.count / result.elapsed,
        "delivered %": result.count / (result.sent * (frame === "mute" ? 49 : 1)) * 100,
        ...(frame === "mute" ? {} : { "p50 ms": result.p50, "p99 ms": result.p99 }),
        "server CPU %": server / result.elapsed * 100,
        "load CPU %": result.cpu / result.elapsed * 100
      }
    }

    try {
      const cases: ReadonlyArray<Case> = [
        {
          name: bare,
          run: async (seconds) => {
            const { server, sessions } = await bench.ws()
            return measure(await once(bare, () => enter(server, sessions, 1)), server, seconds)
          }
        },
        ...bench.variants.map(({ embedded, name, runtime }): Case => ({
          name,
          run: async (seconds) => {
            const { server, sessions } = await bench.roomkey(runtime, embedded)
            const worker = await once(name, async () => {
              const [channel] = await bench.load.each<{ readonly id: number }>(
                server,
                [request("POST", "/api/channels", sessions[0]!.token, { name: "Lobby" })],
                201
              )
              return enter(server, sessions, channel!.id)
            })
            return measure(worker, server, seconds)
          }
        }))
      ]
      const cpu = (subject: string) => ({ subject, column: "CPU µs" })
      return measured(await bench.rounds(cases), [
        { of: cpu(bare), to: cpu(onNode), target: "≥ 0.7" },
        { of: cpu(bare), to: cpu(roomkeyName("node", true)) },
        ...bench.variants.slice(2).map(({ name }) => ({ of: cpu(bare), to: cpu(name) }))
      ], ["A ratio is the work that bare ws needs for a delivered frame by what Roomkey needs for it."])
    } finally {
      await rooms.disposeAsync()
    }
  }
}))

export const [relay, broadcast] = works as [Work, Work]
