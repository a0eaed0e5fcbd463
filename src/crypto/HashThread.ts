// What runs in each thread of HashThreads.ts.
import { getPriority, setPriority } from "node:os"
import { parentPort, workerData } from "node:worker_threads"
import { perform, type Work } from "./HashWork.ts"

export interface ThreadOptions {
  readonly niceness: number
}

export type Reply = { readonly value: string | boolean } | { readonly error: unknown }

const reply = (work: Work): Reply => {
  try {
    return { value: perform(work) }
  } catch (error) {
    return { error }
  }
}

/** Only Linux has a priority for each thread; where a sandbox forbids to lower it, hashes come when they come. */
const giveWay = ({ niceness }: ThreadOptions): void => {
  if (process.platform !== "linux") return
  try {
    // Who started the process may have made it nicer still.
    setPriority(0, Math.max(getPriority(0), niceness))
  } catch {
    return
  }
}

giveWay(workerData)
parentPort!.on("message", (work: Work) => parentPort!.postMessage(reply(work)))
