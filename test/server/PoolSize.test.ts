import { assert, describe, it } from "@effect/vitest"
import { poolAfter } from "./PoolThreads.ts"

const sizeAfter = (processors: number, env: Readonly<Record<string, string>> = {}) =>
  poolAfter(
    `
    import { stat } from "node:fs/promises"
    import { widenPool } from ${JSON.stringify(new URL("../../src/server/PoolSize.ts", import.meta.url).href)}
    widenPool(${processors})
    await stat(".")`,
    env
  ).pool.length

describe.runIf(process.platform === "linux")("widenPool", () => {
  it("has room for a hash on each processor and for something beside them", () => {
    assert.strictEqual(sizeAfter(6), 8)
    assert.strictEqual(sizeAfter(1), 4)
  })

  it("has no more than hashes are let run at a time", () => {
    assert.strictEqual(sizeAfter(64), 10)
    assert.strictEqual(sizeAfter(64, { HASH_CONCURRENCY: "3" }), 5)
  })

  it("leaves the size that UV_THREADPOOL_SIZE names", () => {
    assert.strictEqual(sizeAfter(6, { UV_THREADPOOL_SIZE: "3" }), 3)
  })
})
