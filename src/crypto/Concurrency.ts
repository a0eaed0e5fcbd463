// How hashing shares the machine where nobody says so.
import { availableParallelism } from "node:os"

const most = 8

/**
 * How many hashes run at a time: one on each processor, as long as what they hold is bounded. Each holds 19 MiB, and an
 * imported one up to a gigabyte.
 */
export const hashesAtATime = (processors = availableParallelism()): number => Math.min(processors, most)

/**
 * How far the threads of hashes give way to whatever else the machine has to do: a hash takes tens of milliseconds, and at
 * equal priority a read, and each statement, waits until the kernel interrupts one. At 13 the kernel lets whoever wakes
 * up run almost at once, but where others are busy without end it leaves a hash a twentieth of what they get. On a single
 * processor that takes one of them, so there it is a third.
 */
export const nicenessOn = (processors = availableParallelism()): number => processors > 1 ? 13 : 5
