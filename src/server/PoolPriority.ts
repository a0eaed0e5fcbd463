// The threads on which libuv hashes give way to whatever else the machine has to do: a hash takes tens of milliseconds, and
// at equal priority a read, and each statement, waits until the kernel interrupts one. The rest that runs there, names
// looked up and files read, is short.
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { readdir } from "node:fs/promises"
import { availableParallelism, getPriority, setPriority } from "node:os"

/**
 * At 10 the kernel lets whoever wakes up run almost at once, but where others are busy without end it leaves a hash a tenth
 * of what they get. On a single processor that takes one of them, so there it is a third.
 */
export const nicenessOn = (processors = availableParallelism()): number => processors > 1 ? 10 : 5

const threads = "/proc/self/task"

/**
 * Only Linux has a priority for each thread; where a sandbox forbids to lower it, hashes come when they come. Deno has no
 * such pool.
 */
export const lowerPool = (niceness: number): Effect.Effect<void> => {
  if ("Deno" in globalThis) return Effect.void
  // Read by the pool itself, which is thereby started.
  return Effect.tryPromise(() => readdir(threads)).pipe(
    Effect.flatMap((started) =>
      Effect.try(() => {
        // Who started the process may have made it nicer still.
        const priority = Math.max(getPriority(), niceness)
        for (const thread of started) {
          const name = readFileSync(`${threads}/${thread}/comm`, "latin1")
          if (name === "libuv-worker\n") setPriority(Number(thread), priority)
        }
      })
    ),
    Effect.ignore
  )
}
