// Memory of a socket that is open and says nothing: what so many more of them add, after the garbage of opening them is
// collected, on both sides alike. Each round has a server of its own, since memory once taken is seldom given back.
import { join } from "node:path"
import { readersOf, roomkeyName } from "../Bench.ts"
import { memoryOf, Worker } from "../Processes.ts"
import type { Case, Sample } from "../Report.ts"
import type { SocketJob, SocketsDone } from "../SocketWorker.ts"
import { type Runtime, startRoomkey } from "../subjects/Roomkey.ts"
import type { Server } from "../subjects/Server.ts"
import { measured, type Work } from "./Work.ts"

const bareOn: Record<Runtime, string> = { node: "bare ws, Map", deno: "bare ws, Map, Deno" }
const column = "KiB a socket"

/**
 * Left to itself, V8 doubles its young generation whenever enough has survived in it, up to 128 MiB, and Node keeps it:
 * a doubling that fell between the two readings would be shared out among the sockets of whichever side it fell on.
 */
const youngGeneration = ["--min-semi-space-size=16", "--max-semi-space-size=16"]

/** Collects garbage when it is told to by a signal. */
const flags: Record<Runtime, ReadonlyArray<string>> = {
  node: [
    "--expose-gc",
    ...youngGeneration,
    "--import",
    "data:text/javascript,process.on('SIGUSR2',()=>globalThis.gc())"
  ],
  deno: [
    `--v8-flags=${["--expose-gc", ...youngGeneration].join()}`,
    "--preload",
    "data:text/javascript,Deno.addSignalListener('SIGUSR2',()=>globalThis.gc());"
  ]
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const settled = async (pid: number, ms: number): Promise<number> => {
  for (let n = 0; n < 3; n++) {
    process.kill(pid, "SIGUSR2")
    await pause(ms)
  }
  return memoryOf(pid)
}

export const idleSockets: Work = {
  name: "idle-sockets",
  title: "Memory of idle sockets",
  run: async (bench) => {
    const [few, many, ms] = bench.options.smoke ? [20, 100, 50] : [3000, 5000, 300]
    const measure = async (start: () => Promise<Server>, tokens: ReadonlyArray<string>): Promise<Sample> => {
      await using server = await start()
      await using worker = new Worker("./SocketWorker.ts")
      const open = async (count: number) => {
        const job = { kind: "open", port: server.port, tokens, count } satisfies SocketJob
        const done = await worker.ask<SocketsDone>(job)
        if (done.errors > 0) throw new Error(done.error)
        return settled(server.pid, ms)
      }
      const none = await settled(server.pid, ms)
      const before = await open(few)
      const after = await open(many)
      return {
        [column]: (after - before) / many / 1024,
        "MiB without": none / 1024 / 1024,
        "MiB with": after / 1024 / 1024
      }
    }
    const tokensOf = (sessions: ReadonlyArray<{ readonly token: string }>) =>
      readersOf(sessions).map(({ token }) => token)
    const runtimes = bench.options.smoke || !bench.options.deno ? ["node"] as const : ["node", "deno"] as const
    await bench.ready(...runtimes.map((runtime) => () => bench.roomkey(runtime, false)))
    const cases: ReadonlyArray<Case> = [
      ...runtimes.map((runtime): Case => ({
        name: bareOn[runtime],
        run: async () => {
          const { sessions } = await bench.anyRoomkey()
          return measure(() => bench.startWs(flags[runtime], runtime), tokensOf(sessions))
        }
      })),
      ...runtimes.map((runtime): Case => ({
        name: roomkeyName(runtime, false),
        run: async () => {
          const { database, sessions } = await bench.roomkey(runtime, false)
          const postgres = await bench.postgres()
          return measure(() =>
            startRoomkey({
              runtime,
              dataDir: join(bench.dir, "none"),
              database: { postgres, name: database! },
              flags: flags[runtime]
            }), tokensOf(sessions))
        }
      }))
    ]
    const kib = (subject: string) => ({ subject, column })
    return measured(await bench.starts(cases), [
      { of: kib(roomkeyName("node", false)), to: kib(bareOn.node), target: "≤ 2" },
      { of: kib(roomkeyName("deno", false)), to: kib(bareOn.deno) }
    ], [`${many} sockets beyond the first ${few}; the memory of the kernel is not in it.`])
  }
}
