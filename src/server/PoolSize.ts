// libuv does native work, which here is hashing, on four threads by default: more hashes at a time got no more processors, and
// while four ran no file was read and no name looked up. Deno has no such pool.
import { hashesAtATime } from "../crypto/Concurrency.ts"

const byDefault = 4
/** Threads for what is no hash. */
const others = 2

/** Before anything runs there: the pool keeps the size that it starts with. `UV_THREADPOOL_SIZE` may name another one. */
export const widenPool = (processors?: number): void => {
  if ("Deno" in globalThis) return
  const hashes = Number(process.env["HASH_CONCURRENCY"]) || hashesAtATime(processors)
  process.env["UV_THREADPOOL_SIZE"] ??= String(Math.max(byDefault, hashes + others))
}
