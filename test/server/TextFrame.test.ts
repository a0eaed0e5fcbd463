// The bytes of RFC 6455 section 5.2, at each of the lengths where the form of a head changes.
import { assert, describe, it } from "@effect/vitest"
import { makeFraming, textFrame } from "../../src/server/TextFrame.ts"

const headOf = (text: string): ReadonlyArray<number> => {
  const frame = textFrame(text)
  return [...frame.subarray(0, frame.length - Buffer.byteLength(text))]
}

describe("TextFrame", () => {
  it("says the length of its payload in as few bytes as there are forms", () => {
    const heads: ReadonlyArray<readonly [length: number, head: ReadonlyArray<number>]> = [
      [0, [0x81, 0]],
      [125, [0x81, 125]],
      [126, [0x81, 126, 0, 126]],
      [65_535, [0x81, 126, 0xff, 0xff]],
      [65_536, [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]]
    ]
    for (const [length, head] of heads) assert.deepStrictEqual(headOf("x".repeat(length)), head)
  })

  it("counts bytes, not characters, and carries them as UTF-8", () => {
    const text = "ж".repeat(63)
    assert.deepStrictEqual(headOf(text), [0x81, 126, 0, 126])
    assert.strictEqual(textFrame(text).toString("utf8", 4), text)
  })

  it("frames a text once for all whom it is told to in succession, and every other anew", () => {
    const framed = makeFraming()
    const first = framed("one")
    assert.strictEqual(framed("one"), first)
    assert.deepStrictEqual(framed("two"), textFrame("two"))
    assert.deepStrictEqual(framed("one"), textFrame("one"))
    assert.deepStrictEqual(first, textFrame("one"))
  })
})
