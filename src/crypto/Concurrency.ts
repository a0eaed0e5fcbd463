// How many hashes run at a time where nobody says so: one on each processor, as long as what they hold is bounded. Each holds
// 19 MiB, and an imported one up to a gigabyte.
import { availableParallelism } from "node:os"

const most = 8

export const hashesAtATime = (processors = availableParallelism()): number => Math.min(processors, most)
