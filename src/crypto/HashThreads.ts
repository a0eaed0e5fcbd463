// Threads that do nothing but hash. On the pool that the runtime keeps for all native work, each hash would go to whichever
// thread has slept longest, and the kernel would move it to a processor that is free only after it has waited for one
// that is not; and files and names would wait behind hashes.
import { Effect, type Scope } from "effect"
import { Worker } from "node:worker_threads"
import type { Reply, ThreadOptions } from "./HashThread.ts"
import type { Answer, Work } from "./HashWork.ts"

/** `.ts` in the sources, `.js` in the published package: the thread is what this module is. */
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."))
const program = new URL(`./HashThread${extension}`, import.meta.url)

interface Asked {
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  asked: Asked | undefined
}

/**
 * Does a piece of work on a thread that is free, or on a new one: there are as many as were ever wanted at once. What the
 * work throws, or that the thread ended, rejects the promise.
 */
export const makeHashThreads = (
  options: ThreadOptions
): Effect.Effect<<W extends Work>(work: W) => Promise<Answer<W>>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const threads = new Set<Worker>()
    const free: Array<Thread> = []

    yield* Effect.addFinalizer(() => Effect.sync(() => threads.forEach((worker) => void worker.terminate())))

    const start = (): Thread => {
      const worker = new Worker(program, { name: "roomkey-hash", workerData: options })
      const thread: Thread = { worker, asked: undefined }
      threads.add(worker)
      worker.on("message", (reply: Reply) => {
        const asked = thread.asked
        thread.asked = undefined
        // One that nobody waits for keeps no process running.
        worker.unref()
        free.push(thread)
        if ("error" in reply) asked?.reject(reply.error)
        else asked?.resolve(reply.value as never)
      })
      const ended = (error: unknown) => {
        threads.delete(worker)
        if (free.includes(thread)) free.splice(free.indexOf(thread), 1)
        thread.asked?.reject(error)
        thread.asked = undefined
      }
      worker.on("error", ended)
      worker.on("exit", (code) => ended(new Error(`A thread for hashes ended with ${code}`)))
      return thread
    }

    return (work) =>
      new Promise((resolve, reject) => {
        // The one that has just been free, whose processor is free too.
        const thread = free.pop() ?? start()
        thread.asked = { resolve, reject }
        thread.worker.ref()
        thread.worker.postMessage(work)
      })
  })
