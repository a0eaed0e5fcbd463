// argon2 on threads that give way to whatever else the machine has to do: a hash takes tens of milliseconds, and on the
// library's own threads each read and each statement would wait for the kernel to interrupt one.
import { hash, type Options, verify } from "@node-rs/argon2"
import { Effect } from "effect"
import { once } from "node:events"
import { Worker } from "node:worker_threads"

export type Job =
  | { readonly password: string; readonly phc: string }
  | { readonly password: string; readonly options: Options }

export interface Hashing {
  readonly hash: (password: string, options: Options) => Promise<string>
  readonly verify: (phc: string, password: string) => Promise<boolean>
}

const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."))

const start = (): Worker => {
  const worker = new Worker(new URL(`./HashThread${extension}`, import.meta.url), { env: {} })
  worker.unref()
  return worker
}

/** As many threads as there are jobs at a time, each started when there is none to spare, until the scope closes. */
const threads = Effect.gen(function* () {
  const idle: Array<Worker> = []
  let closed = false
  yield* Effect.addFinalizer(() => {
    closed = true
    return Effect.promise(() => Promise.all(idle.map((worker) => worker.terminate())))
  })

  const run = (job: Job): Promise<unknown> => {
    const worker = idle.pop() ?? start()
    worker.ref()
    worker.postMessage(job)
    // Fails when the thread does, which then is none any more.
    return once(worker, "message").then(([answer]) => {
      worker.unref()
      if (closed) void worker.terminate()
      else idle.push(worker)
      return answer
    })
  }

  const hashing: Hashing = {
    hash: (password, options) => run({ password, options }) as Promise<string>,
    verify: (phc, password) => run({ password, phc }) as Promise<boolean>
  }
  return hashing
})

/** Elsewhere a priority is the whole process's, and under Deno it takes a permission. */
const yields = process.platform === "linux" && !("Deno" in globalThis)

export const hashing = yields ? threads : Effect.succeed<Hashing>({ hash, verify })
