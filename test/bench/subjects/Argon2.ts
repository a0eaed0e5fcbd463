// The ceiling of a password login: the argon2 library alone, verification after verification on all processors.
// Answers `{seconds}` by how many it did in that time. Argument: its niceness, if not that of whoever starts it.
import { hash, verify } from "@node-rs/argon2"
import { availableParallelism, getPriority, setPriority } from "node:os"

// Before the first hash: its threads start then, as nice as this one.
const [, , niceness] = process.argv
if (niceness !== undefined) setPriority(Math.max(getPriority(), Number(niceness)))

const password = "correct horse battery"
const phc = await hash(password, { memoryCost: 19_456, timeCost: 2, parallelism: 1 })

process.on("message", ({ seconds }: { readonly seconds: number }) => {
  const begun = performance.now()
  const cpu = process.cpuUsage()
  const times: Array<number> = []
  const one = async () => {
    while (performance.now() - begun < seconds * 1000) {
      const started = performance.now()
      await verify(phc, password)
      times.push(performance.now() - started)
    }
  }
  void Promise.all(Array.from({ length: availableParallelism() }, one)).then(() => {
    const used = process.cpuUsage(cpu)
    process.send!({ times, elapsed: (performance.now() - begun) / 1000, cpu: (used.user + used.system) / 1e6 })
  })
})
process.on("disconnect", () => process.exit())
