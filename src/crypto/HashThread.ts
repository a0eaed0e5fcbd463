// What a thread of HashThreads.ts runs: one hash after the other, and nothing else.
import { hashSync, verifySync } from "@node-rs/argon2"
import { constants, setPriority } from "node:os"
import { parentPort } from "node:worker_threads"
import type { Job } from "./HashThreads.ts"

// On Linux this is the thread's own priority. Where a sandbox forbids it, hashes come when they come.
try {
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
} catch {}

parentPort?.on("message", (job: Job) => {
  parentPort?.postMessage("phc" in job ? verifySync(job.phc, job.password) : hashSync(job.password, job.options))
})
