// What runs in each thread of HashThreads.ts. It awaits nothing before it listens: under Deno a message that comes while
// nobody does is lost.
import { getPriority, setPriority } from "node:os"
import { parentPort, workerData } from "node:worker_threads"
import { perform, type Work } from "./HashWork.ts"

export interface ThreadOptions {
  readonly niceness: number
}

export interface Request {
  readonly id: string
  readonly work: Work
}

export type Reply = { readonly id: string } & ({ readonly value: string | boolean } | { readonly error: unknown })

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

const reply = ({ id, work }: Request): Reply => {
  try {
    return { id, value: perform(work) }
  } catch (error) {
    return { id, error }
  }
}

// Once all is loaded, which may start the runtime's own pool: its threads would be as nice.
giveWay(workerData)
parentPort!.on("message", (request: Request) => parentPort!.postMessage(reply(request)))
