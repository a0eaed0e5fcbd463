// The ceiling of a password login: the argon2 library alone, verification after verification on all processors.
// Answers `{settle, seconds}` by those that ended in the seconds after it had settled. Arguments: how many at a time; its
// niceness, if not that of whoever starts it.
import { hash, verify } from "@node-rs/argon2"
import { getPriority, setPriority } from "node:os"

const [, , atOnce, niceness] = process.argv
// Before the first hash: its threads start then, as nice as this one.
if (niceness !== undefined) setPriority(Math.max(getPriority(), Number(niceness)))

const password = "correct horse battery"
const phc = await hash(password, { memoryCost: 19_456, timeCost: 2, parallelism: 1 })

process.on("message", ({ seconds, settle }: { readonly seconds: number; readonly settle: number }) => {
  const begun = performance.now()
  const settled = begun + settle * 1000
  const deadline = settled + seconds * 1000
  const cpu = process.cpuUsage()
  const times: Array<number> = []
  let answers = 0
  const one = async () => {
    for (let started = begun; started < deadline;) {
      await verify(phc, password)
      const ended = performance.now()
      answers++
      if (ended >= settled && ended < deadline) times.push(ended - started)
      started = ended
    }
  }
  void Promise.all(Array.from({ length: Number(atOnce) }, one)).then(() => {
    const used = process.cpuUsage(cpu)
    process.send!({ answers, times, cpu: (used.user + used.system) / 1e6 })
  })
})
process.on("disconnect", () => process.exit())
