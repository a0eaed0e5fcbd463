// What runs in each thread of HashThreads.ts.
import * as Module from "node:module"
import { getPriority, setPriority } from "node:os"
import { parentPort, workerData } from "node:worker_threads"
import type { Work } from "./HashWork.ts"

export interface ThreadOptions {
  readonly niceness: number
  /** The folder of what was compiled before, if there is one. */
  readonly compileCache: string | undefined
}

export interface Request {
  readonly id: string
  readonly work: Work
}

export type Reply = { readonly id: string } & ({ readonly value: string | boolean } | { readonly error: unknown })

const { compileCache, niceness }: ThreadOptions = workerData

/** Only Linux has a priority for each thread; where a sandbox forbids to lower it, hashes come when they come. */
const giveWay = (): void => {
  if (process.platform !== "linux") return
  try {
    // Who started the process may have made it nicer still.
    setPriority(0, Math.max(getPriority(0), niceness))
  } catch {
    return
  }
}

if (compileCache !== undefined) Module.enableCompileCache(compileCache)

const loaded = import("./HashWork.ts").then(({ perform }) => {
  // Not before: what is loaded may start the runtime's own pool, whose threads would be as nice.
  giveWay()
  return perform
})

const reply = ({ id, work }: Request, perform: (work: Work) => string | boolean): Reply => {
  try {
    return { id, value: perform(work) }
  } catch (error) {
    return { id, error }
  }
}

// Before anything is awaited: under Deno a message that comes while nobody listens is lost.
parentPort!.on("message", (request: Request) => {
  void loaded.then((perform) => parentPort!.postMessage(reply(request, perform)))
})
