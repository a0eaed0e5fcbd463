// libuv does native work, which here is hashing, on four threads by default: on a larger machine hashes got no more of its
// processors, and while four ran no file was read and no name looked up. Deno has no such pool.
import { availableParallelism } from "node:os"

const byDefault = 4
/** Threads for what is no hash. */
const others = 2

/** Before anything runs there: the pool keeps the size that it starts with. `UV_THREADPOOL_SIZE` may name another one. */
export const widenPool = (processors = availableParallelism()): void => {
  if ("Deno" in globalThis) return
  process.env["UV_THREADPOOL_SIZE"] ??= String(Math.max(byDefault, processors + others))
}
