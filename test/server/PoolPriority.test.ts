import { assert, describe, it } from "@effect/vitest"
import { poolAfter } from "./PoolThreads.ts"

const niceAfter = (processors: number, before = 0) =>
  poolAfter(`
    import { setPriority } from "node:os"
    setPriority(${before})
    import { Effect } from "effect"
    import { lowerPool, nicenessOn } from ${
    JSON.stringify(new URL("../../src/server/PoolPriority.ts", import.meta.url).href)
  }
    await Effect.runPromise(lowerPool(nicenessOn(${processors})))`)

describe.runIf(process.platform === "linux")("lowerPool", () => {
  it("lets the pool, which it starts, give way to every other thread", () => {
    assert.deepEqual(niceAfter(2), { pool: [10, 10, 10, 10], others: [0] })
  })

  it("leaves it no less nice than the process was started", () => {
    assert.deepEqual(niceAfter(2, 15).pool, [15, 15, 15, 15])
  })

  it("lets it give way less where there is a single processor", () => {
    assert.deepEqual(niceAfter(1), { pool: [5, 5, 5, 5], others: [0] })
  })
})
