// The threads of a Node process of its own, once it has run a module.
import { execFileSync } from "node:child_process"
import { nodePath } from "../e2e/support/Process.ts"

const report = `
  import { readdirSync, readFileSync } from "node:fs"
  const threads = readdirSync("/proc/self/task").map((thread) => {
    const stat = readFileSync("/proc/self/task/" + thread + "/stat", "latin1")
    const end = stat.lastIndexOf(")")
    return { name: stat.slice(stat.indexOf("(") + 1, end), nice: Number(stat.slice(end + 2).split(" ")[16]) }
  })
  const niceness = (ofPool) => threads.filter(({ name }) => (name === "libuv-worker") === ofPool).map(({ nice }) => nice)
  console.log(JSON.stringify({ pool: niceness(true), others: [...new Set(niceness(false))] }))`

/** How nice each thread of libuv's pool is, and which degrees of it the other threads have. */
export const poolAfter = (
  script: string,
  env: Readonly<Record<string, string>> = {}
): { readonly pool: ReadonlyArray<number>; readonly others: ReadonlyArray<number> } =>
  JSON.parse(
    execFileSync(nodePath, ["--input-type=module", "--eval", `${script}\n${report}`], { env, encoding: "utf8" })
  )
