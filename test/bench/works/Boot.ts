// From the start of the process to the first 200 at /ready, on a database that has seen it before.
import { join } from "node:path"
import { onNode, roomkeyName } from "../Bench.ts"
import { cpuOf, memoryOf } from "../Processes.ts"
import type { Case, Sample } from "../Report.ts"
import { makeTenant, signInAll, startRoomkey } from "../subjects/Roomkey.ts"
import { type Server, startModule } from "../subjects/Server.ts"
import { measured, type Work } from "./Work.ts"

const bare = "bare Effect server, PostgreSQL"

const measure = async (start: () => Promise<Server>): Promise<Sample> => {
  const begun = performance.now()
  await using server = await start()
  const listening = performance.now()
  for (;;) {
    const answer = await fetch(`${server.url}/ready`)
    await answer.arrayBuffer()
    if (answer.status === 200) break
  }
  return {
    "ready ms": performance.now() - begun,
    "listening ms": listening - begun,
    "CPU ms": cpuOf(server.pid) * 1000,
    MiB: memoryOf(server.pid) / 1024 / 1024
  }
}

export const boot: Work = {
  name: "boot",
  title: "Start to /ready",
  run: async (bench) => {
    const dataDir = join(bench.dir, "boot-data")
    {
      await using server = await startRoomkey({ runtime: "node", dataDir })
      const { api_key } = await makeTenant(bench.load, server)
      await signInAll(bench.load, server, api_key, bench.users)
    }
    await bench.ready(bench.ceilingDatabase)
    const cases: ReadonlyArray<Case> = [
      {
        name: bare,
        run: async () => {
          const [postgres, { name }] = [await bench.postgres(), await bench.ceilingDatabase()]
          return measure(() => startModule("./EffectPg.ts", [], { DATABASE_URL: postgres.urlOf(name) }))
        }
      },
      ...bench.variants.map(({ embedded, name, runtime }): Case => ({
        name,
        run: async () => {
          if (embedded) return measure(() => startRoomkey({ runtime, dataDir }))
          const [postgres, { name }] = [await bench.postgres(), await bench.ceilingDatabase()]
          return measure(() =>
            startRoomkey({ runtime, dataDir: join(bench.dir, "none"), database: { postgres, name } })
          )
        }
      }))
    ]
    const ready = (subject: string) => ({ subject, column: "ready ms" })
    return measured(await bench.starts(cases), [
      { of: ready(onNode), to: ready(bare), target: "≤ 1.5" },
      { of: ready(roomkeyName("deno", false)), to: ready(bare) },
      { of: ready(roomkeyName("node", true)), to: ready(bare) },
      { of: ready(roomkeyName("deno", true)), to: ready(bare) }
    ], [`The embedded database holds ${bench.users} users; to be ready within 3000 ms.`])
  }
}
