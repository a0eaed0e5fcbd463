// Rooms of fifty. Nobody may send more than fifty frames a second, so what is compared is not how many there can be but the
// processor time of a delivered frame, at the same rate on both sides, far from saturation.
import { onNode, readersOf, roomkeyName } from "../Bench.ts"
import { costOf, request, type Target } from "../Load.ts"
import { Worker } from "../Processes.ts"
import type { Case, Sample } from "../Report.ts"
import type { SocketJob, SocketsDone } from "../SocketWorker.ts"
import { measured, type Work } from "./Work.ts"

const bare = "bare ws, send in a loop"

/** Enough that what a server does without any frame, and each waking of a process, is a small part of what is measured. */
const rooms = 4
const members = 50
/** Of each subject, before the first round: until what its compilers will optimise is optimised. */
const warmUpSeconds = 8

const talks = [
  {
    name: "relay",
    frame: "candidate",
    perSecond: 1500,
    title: "an ice_candidate of each to each, 1500 frames a second and room"
  },
  {
    name: "broadcast",
    frame: "mute",
    perSecond: 150,
    title: "a mute of each in turn, 150 a second and room, told to 49 others"
  }
] as const

const works = talks.map(({ frame, name, perSecond, title }): Work => ({
  name,
  title: `${rooms} rooms of fifty: ${title}`,
  run: async (bench) => {
    await bench.ready(
      ...bench.variants.map(({ embedded, runtime }) => () => bench.roomkey(runtime, embedded)),
      bench.ws
    )
    const stack = new AsyncDisposableStack()
    const entered = new Map<string, Promise<Worker>>()

    /** Sockets that stay in their channels for all rounds. */
    const enter = async (
      target: Target,
      sessions: ReadonlyArray<{ readonly token: string }>,
      channels: ReadonlyArray<number>
    ) => {
      const worker = stack.use(new Worker("./SocketWorker.ts"))
      const tokens = readersOf(sessions).map(({ token }) => token)
      const wanted = rooms * members
      const open = { kind: "open", port: target.port, tokens, count: wanted } satisfies SocketJob
      const { count, error } = await worker.ask<SocketsDone>(open)
      if (count !== wanted) throw new Error(error)
      await worker.ask<SocketsDone>({ kind: "join", channels } satisfies SocketJob)
      return worker
    }

    const once = (subject: string, enterRooms: () => Promise<Worker>): Promise<Worker> => {
      const worker = entered.get(subject) ?? enterRooms()
      entered.set(subject, worker)
      return worker
    }

    const talk = async (worker: Worker, target: Target, rooms: number, seconds: number) => {
      const job = { kind: "talk", frame, rooms, perSecond: rooms * perSecond, seconds } satisfies SocketJob
      const { database, result, server } = await costOf(target, () => worker.ask<SocketsDone>(job))
      if (result.count === 0) throw new Error("nothing was delivered")
      const micros = (seconds: number) => seconds / result.count * 1e6
      return { result, server, cpu: micros(server), pg: database === undefined ? undefined : micros(database) }
    }

    const measure = async (worker: Worker, target: Target, seconds: number): Promise<Sample> => {
      const { cpu, pg, result, server } = await talk(worker, target, rooms, seconds)
      const alone = await talk(worker, target, 1, seconds)
      return {
        "CPU µs": cpu,
        "1 room: CPU µs": alone.cpu,
        ...(pg === undefined ? {} : { "PG µs": pg }),
        "frames/s": result.sent / result.elapsed,
        "delivered/s": result.count / result.elapsed,
        "delivered %": result.count / (result.sent * (frame === "mute" ? members - 1 : 1)) * 100,
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
            const channels = Array.from({ length: rooms }, (_, n) => n)
            return measure(await once(bare, () => enter(server, sessions, channels)), server, seconds)
          }
        },
        ...bench.variants.map(({ embedded, name, runtime }): Case => ({
          name,
          run: async (seconds) => {
            const { server, sessions } = await bench.roomkey(runtime, embedded)
            const worker = await once(name, async () => {
              const create = Array.from(
                { length: rooms },
                (_, n) => request("POST", "/api/channels", sessions[0]!.token, { name: `Lobby ${n}` })
              )
              const channels = await bench.load.each<{ readonly id: number }>(server, create, 201)
              return enter(server, sessions, channels.map(({ id }) => id))
            })
            return measure(worker, server, seconds)
          }
        }))
      ]
      const of = (subject: string, column = "CPU µs") => ({ subject, column })
      return measured(await bench.slices(4, cases, warmUpSeconds / 2), [
        { of: of(bare), to: of(onNode), target: "≥ 0.7" },
        { of: of(bare, "1 room: CPU µs"), to: of(onNode, "1 room: CPU µs"), target: "≥ 0.7" },
        { of: of(bare), to: of(roomkeyName("node", true)) },
        ...bench.variants.slice(2).map(({ name }) => ({ of: of(bare), to: of(name) }))
      ], ["A ratio is the work that bare ws needs for a delivered frame by what Roomkey needs for it."])
    } finally {
      await stack.disposeAsync()
    }
  }
}))

export const [relay, broadcast] = works as [Work, Work]
