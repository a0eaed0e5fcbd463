import { readdirSync, readFileSync } from "node:fs"

/** How nice each thread of this process is, on Linux; of one that ends meanwhile nothing is said. */
export const niceness = (): ReadonlyArray<number> =>
  readdirSync("/proc/self/task").flatMap((thread) => {
    try {
      const stat = readFileSync(`/proc/self/task/${thread}/stat`, "latin1")
      return [Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16])]
    } catch {
      return []
    }
  })
