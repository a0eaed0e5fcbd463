import { assert, describe, it } from "@effect/vitest"
import { hashesAtATime, nicenessOn } from "../../src/crypto/Concurrency.ts"

describe("Concurrency", () => {
  it("hashes on each processor, up to eight at a time", () => {
    assert.deepEqual([1, 2, 8, 64].map(hashesAtATime), [1, 2, 8, 8])
  })

  it("gives way less where there is a single processor", () => {
    assert.deepEqual([1, 2, 64].map(nicenessOn), [5, 13, 13])
  })
})
