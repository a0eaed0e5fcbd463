// Threads that do nothing but hash. On the pool that the runtime keeps for all native work, each hash would go to whichever
// thread has slept longest, and the kernel would move it to a processor that is free only after it has waited for one
// that is not; and files and names would wait behind hashes.
import { Data, Effect, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import { Worker } from "node:worker_threads"
import type { Reply, Request, ThreadOptions } from "./HashThread.ts"
import type { Answer, Work } from "./HashWork.ts"
import type { Perform, Turn } from "./Turns.ts"

/** `.ts` in the sources, `.js` in the published package: the thread is what this module is. */
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."))
const program = new URL(`./HashThread${extension}`, import.meta.url)

/** A thread that could not be started, or ended before it had answered. */
export class ThreadLost extends Data.TaggedError("ThreadLost")<{ readonly cause: unknown }> {}

interface Asked {
  readonly id: string
  readonly settle: Turn<never, Answer<Work>, ThreadLost>["settle"]
}

interface Thread {
  readonly worker: Worker
  /** What it has not answered yet, in the order of its answers. */
  asked: ReadonlyArray<Asked>
  free: () => void
  readonly lost: (cause: unknown) => void
}

/** Of a thread that holds no place. */
const noPlace = () => undefined

const loseAll = (asked: ReadonlyArray<Pick<Asked, "settle">>, free: () => void, cause: unknown): void => {
  free()
  for (const { settle } of asked) settle(Effect.fail(new ThreadLost({ cause })))
}

const areReplies = (message: unknown, asked: ReadonlyArray<Asked>): message is ReadonlyArray<Reply> =>
  Array.isArray(message) && message.length > 0 && message.length <= asked.length &&
  message.every((reply: unknown, index) =>
    typeof reply === "object" && reply !== null && "id" in reply && reply.id === asked[index]!.id
  )

/**
 * Does several pieces of work, one after another, on a thread that is free, or on a new one: there are as many as were
 * ever wanted at once. What the work throws is a defect. What is under way when the scope closes is still answered, and its
 * thread ends then. The work is said when it begins, with what is secret in it.
 */
export const makeHashThreads = (
  { niceness }: ThreadOptions
): Effect.Effect<Perform<() => Work, Answer<Work>, ThreadLost>, never, Scope.Scope> =>
  Effect.gen(function* () {
    /** Nobody else on the same port has an id that begins with this. */
    const mark = randomBytes(16).toString("hex")
    let count = 0
    let closed = false
    const idle: Array<Thread> = []
    const end = ({ worker }: Thread) => void worker.terminate()

    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
        idle.splice(0).forEach(end)
      })
    )

    const start = (): Thread => {
      const workerData: ThreadOptions = { niceness }
      // Flags such as `--eval` are about the program, not about its threads.
      const worker = new Worker(program, { name: "roomkey-hash", workerData, execArgv: [] })
      const thread: Thread = {
        worker,
        asked: [],
        free: noPlace,
        lost: (cause) => {
          if (idle.includes(thread)) idle.splice(idle.indexOf(thread), 1)
          end(thread)
          const { asked, free } = thread
          thread.asked = []
          thread.free = noPlace
          loseAll(asked, free, cause)
        }
      }
      // Others may speak over the same port, such as a runtime that watches its files.
      worker.on("message", (message: unknown) => {
        const { asked } = thread
        if (!areReplies(message, asked)) return
        thread.asked = asked.slice(message.length)
        // First: the next begins while these are answered.
        if (thread.asked.length === 0) {
          // One that nobody waits for keeps no process running.
          worker.unref()
          if (closed) end(thread)
          else idle.push(thread)
          const { free } = thread
          thread.free = noPlace
          free()
        }
        for (const [index, reply] of message.entries()) {
          asked[index]!.settle("error" in reply ? Effect.die(reply.error) : Effect.succeed(reply.value))
        }
      })
      worker.on("error", thread.lost)
      worker.on("messageerror", thread.lost)
      worker.on("exit", thread.lost)
      return thread
    }

    return (turns, free) => {
      let thread: Thread
      try {
        // The one that has just been free, whose processor is free too.
        thread = idle.pop() ?? start()
      } catch (cause) {
        return loseAll(turns, free, cause)
      }
      thread.free = free
      thread.asked = turns.map(({ settle }) => ({ id: `${mark} ${count++}`, settle }))
      try {
        thread.worker.ref()
        thread.worker.postMessage(turns.map(({ work }, index): Request => ({
          id: thread.asked[index]!.id,
          work: work()
        })))
      } catch (cause) {
        thread.lost(cause)
      }
    }
  })
