// Threads that do nothing but hash. On the pool that the runtime keeps for all native work, each hash would go to whichever
// thread has slept longest, and the kernel would move it to a processor that is free only after it has waited for one
// that is not; and files and names would wait behind hashes.
import { Effect, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import { Worker } from "node:worker_threads"
import type { Reply, Request, ThreadOptions } from "./HashThread.ts"
import type { Answer, Work } from "./HashWork.ts"

/** `.ts` in the sources, `.js` in the published package: the thread is what this module is. */
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."))
const program = new URL(`./HashThread${extension}`, import.meta.url)

/** A thread that could not be started, or ended before it had answered. */
export class ThreadLost extends Error {}

interface Asked {
  readonly id: string
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  asked: Asked | undefined
}

const isReply = (message: unknown, { id }: Asked): message is Reply =>
  typeof message === "object" && message !== null && "id" in message && message.id === id

/**
 * Does a piece of work on a thread that is free, or on a new one: there are as many as were ever wanted at once. What the
 * work throws rejects the promise; so does `ThreadLost`. What is under way when the scope closes is still answered, and
 * its thread ends then.
 */
export const makeHashThreads = (
  { niceness }: ThreadOptions
): Effect.Effect<<W extends Work>(work: W) => Promise<Answer<W>>, never, Scope.Scope> =>
  Effect.gen(function* () {
    /** Nobody else on the same port has an id that begins with this. */
    const mark = randomBytes(16).toString("hex")
    let asked = 0
    let closed = false
    const free: Array<Thread> = []
    const end = ({ worker }: Thread) => void worker.terminate()

    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
        free.splice(0).forEach(end)
      })
    )

    const start = (): Thread => {
      const workerData: ThreadOptions = { niceness }
      // Flags such as `--eval` are about the program, not about its threads.
      const worker = new Worker(program, { name: "roomkey-hash", workerData, execArgv: [] })
      const thread: Thread = { worker, asked: undefined }
      // Others may speak over the same port, such as a runtime that watches its files.
      worker.on("message", (message: unknown) => {
        const { asked } = thread
        if (asked === undefined || !isReply(message, asked)) return
        thread.asked = undefined
        // One that nobody waits for keeps no process running.
        worker.unref()
        if (closed) end(thread)
        else free.push(thread)
        if ("error" in message) asked.reject(message.error)
        else asked.resolve(message.value as never)
      })
      const lost = (cause: unknown) => {
        if (free.includes(thread)) free.splice(free.indexOf(thread), 1)
        thread.asked?.reject(new ThreadLost("A thread for hashes was lost", { cause }))
        thread.asked = undefined
        end(thread)
      }
      worker.on("error", lost)
      worker.on("messageerror", lost)
      worker.on("exit", lost)
      return thread
    }

    const startOrFail = (): Thread => {
      try {
        return start()
      } catch (cause) {
        throw new ThreadLost("A thread for hashes could not be started", { cause })
      }
    }

    return (work) =>
      new Promise((resolve, reject) => {
        // The one that has just been free, whose processor is free too.
        const thread = free.pop() ?? startOrFail()
        const request: Request = { id: `${mark} ${asked++}`, work }
        thread.asked = { id: request.id, resolve, reject }
        thread.worker.ref()
        thread.worker.postMessage(request)
      })
  })
