import { assert, describe, it } from "@effect/vitest"
import { Inbound } from "../../src/ws/Inbound.ts"

const taken = (inbound: Inbound, now: number, frames: number): number => {
  let count = 0
  for (let i = 0; i < frames; i++) if (inbound.take(now)) count++
  return count
}

describe("Inbound", () => {
  const policy = { inboundPerSecond: 20, inboundBurst: 40 }

  it("lets a burst through, then the rate, and no more than a burst after a long silence", () => {
    const inbound = new Inbound(policy, 0)
    assert.strictEqual(taken(inbound, 0, 100), 40)
    assert.strictEqual(taken(inbound, 1000, 100), 20)
    assert.strictEqual(taken(inbound, 1050, 100), 1)
    assert.strictEqual(taken(inbound, 1e9, 100), 40)
  })

  it("refills nothing when the clock is set back, and counts on from there", () => {
    const inbound = new Inbound(policy, 10_000)
    assert.strictEqual(taken(inbound, 10_000, 100), 40)
    assert.strictEqual(taken(inbound, 5000, 100), 0)
    assert.strictEqual(taken(inbound, 5500, 100), 10)
  })
})
