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

/** Milliseconds after which what is done waits no longer for the rest of what was asked at once. */
const longEnough = 100

/** The answers to what was asked at once leave together, for whoever gets them. */
const replyTo = (requests: ReadonlyArray<Request>): void => {
  let replies: Array<Reply> = []
  let since = performance.now()
  for (const request of requests) {
    replies.push(reply(request))
    const now = performance.now()
    if (now - since < longEnough) continue
    parentPort!.postMessage(replies)
    replies = []
    since = now
  }
  if (replies.length > 0) parentPort!.postMessage(replies)
}

// Once all is loaded, which may start the runtime's own pool: its threads would be as nice.
giveWay(workerData)
parentPort!.on("message", replyTo)
