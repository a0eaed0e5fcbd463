// Frames are hostile input: each one is a frame of the contract or an explained refusal, never an exception.
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { decode } from "../../src/ws/Decode.ts"

const detail = (text: string) => {
  const decoded = decode(text)
  assert(decoded._tag === "Malformed", `accepted ${text}`)
  return decoded.detail
}

describe("Decode", () => {
  it("accepts a ping with or without payload and id", () => {
    assert.deepStrictEqual(decode(`{"type":"ping"}`), { _tag: "Frame", frame: { type: "ping" } })
    assert.deepStrictEqual(decode(`{"type":"ping","payload":{},"id":"a"}`), {
      _tag: "Frame",
      frame: { type: "ping", payload: {}, id: "a" }
    })
    assert.deepStrictEqual(decode(`{"type":"ping","payload":null,"id":-3}`), {
      _tag: "Frame",
      frame: { type: "ping", payload: null, id: -3 }
    })
  })

  it("says of what is not a JSON object only that", () => {
    for (const text of ["", " ", "ping", "{", '{"type":"ping"', "\u0000", "NaN", "{'type':'ping'}"]) {
      assert.strictEqual(detail(text), "Expected JSON", text)
    }
    for (const text of ["null", "1", '"ping"', "[]", '[{"type":"ping"}]', "true"]) {
      assert.strictEqual(detail(text), "Expected a JSON object", text)
    }
  })

  it("knows no type that an object has by itself", () => {
    for (const type of ['"pong"', '"PING"', '"__proto__"', '"constructor"', '"toString"', "1", "null", "{}"]) {
      assert.strictEqual(detail(`{"type":${type}}`), "Unknown frame type", type)
    }
    assert.strictEqual(detail("{}"), "Unknown frame type")
    assert.strictEqual(detail(`{"__proto__":{"type":"ping"}}`), "Unknown frame type")
  })

  it("names the field that is wrong and never what was in it", () => {
    assert.match(detail(`{"type":"ping","payload":"secret"}`), /^payload: /)
    assert.match(detail(`{"type":"ping","payload":[]}`), /^payload: /)
    assert.match(detail(`{"type":"ping","id":1.5}`), /^id/)
    assert.match(detail(`{"type":"ping","id":"${"s".repeat(129)}"}`), /^id/)
    assert.match(detail(`{"type":"ping","id":{"secret":1}}`), /^id/)
    assert.match(detail(`{"type":"ping","id":1e400}`), /^id/)
    for (const text of [`{"type":"ping","payload":"secret"}`, `{"type":"ping","id":{"secret":1}}`]) {
      assert.notInclude(detail(text), "secret")
    }
  })

  it("gives back the id of a bad frame where the id itself is good", () => {
    assert.deepInclude(decode(`{"type":"nope","id":"a"}`), { id: "a" })
    assert.deepInclude(decode(`{"type":"ping","payload":1,"id":7}`), { id: 7 })
    assert.deepInclude(decode(`{"type":"nope","id":"${"a".repeat(129)}"}`), { id: undefined })
    assert.deepInclude(decode(`{"type":"nope","id":[1]}`), { id: undefined })
  })

  it("survives depth, lone surrogates and keys that look like prototypes", () => {
    decode("[".repeat(60_000))
    decode(`{"type":"ping","payload":${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}}`)
    decode(`{"type":"ping","id":"\\ud800"}`)
    decode(`{"type":"ping","payload":{"__proto__":{"polluted":true}}}`)
    assert.isFalse("polluted" in {})
  })

  it.prop("never throws, whatever the text", { text: Schema.String }, ({ text }) => {
    assert.strictEqual(decode(text)._tag, "Malformed")
    decode(`{"type":"ping","payload":${text}}`)
    decode(JSON.stringify({ type: "ping", payload: text, id: text }))
  })
})
