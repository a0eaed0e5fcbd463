// The token may come in four ways, and from a page that the tenant knows.
import { assert, describe, it } from "@effect/vitest"
import { Option, Redacted } from "effect"
import { originAllowed, presentedToken } from "../../src/ws/Handshake.ts"

const token = (headers: Record<string, string>, searchParams: Record<string, string | ReadonlyArray<string>> = {}) => {
  const found = presentedToken({ headers, searchParams })
  return found === "Conflict" ? found : Option.map(found, Redacted.value)
}

describe("Handshake.presentedToken", () => {
  it("reads the token from the query, with or without an app_id beside it", () => {
    assert.deepStrictEqual(token({}, { token: "abc" }), Option.some("abc"))
    assert.deepStrictEqual(token({}, { token: "abc", app_id: "vc_app_1" }), Option.some("abc"))
  })

  it("reads the token from the Authorization header, whatever the case of its scheme", () => {
    assert.deepStrictEqual(token({ authorization: "Bearer abc" }), Option.some("abc"))
    assert.deepStrictEqual(token({ authorization: "bEARER  abc " }), Option.some("abc"))
  })

  it("reads the token from the subprotocol that is offered beside roomkey.v1, in any order", () => {
    const header = "sec-websocket-protocol"
    assert.deepStrictEqual(token({ [header]: "roomkey.v1, roomkey.bearer.abc" }), Option.some("abc"))
    assert.deepStrictEqual(token({ [header]: "roomkey.bearer.abc,roomkey.v1" }), Option.some("abc"))
  })

  it("does not take a token subprotocol that is offered without roomkey.v1", () => {
    assert.deepStrictEqual(token({ "sec-websocket-protocol": "roomkey.bearer.abc" }), Option.none())
    assert.deepStrictEqual(token({ "sec-websocket-protocol": "roomkey.v1" }), Option.none())
  })

  it("finds nothing where nothing is presented", () => {
    assert.deepStrictEqual(token({}), Option.none())
    assert.deepStrictEqual(token({}, { app_id: "vc_app_1" }), Option.none())
  })

  it("takes one token named in several places as one", () => {
    const headers = { authorization: "Bearer abc", "sec-websocket-protocol": "roomkey.v1, roomkey.bearer.abc" }
    assert.deepStrictEqual(token(headers, { token: ["abc", "abc"] }), Option.some("abc"))
  })

  it("reports a conflict for different tokens, whichever two places name them", () => {
    const authorization = "Bearer abc"
    const protocol = "roomkey.v1, roomkey.bearer.xyz"
    assert.strictEqual(token({ authorization }, { token: "xyz" }), "Conflict")
    assert.strictEqual(token({ authorization, "sec-websocket-protocol": protocol }), "Conflict")
    assert.strictEqual(token({ "sec-websocket-protocol": protocol }, { token: "abc" }), "Conflict")
    assert.strictEqual(token({}, { token: ["abc", "xyz"] }), "Conflict")
    assert.strictEqual(token({ "sec-websocket-protocol": `${protocol}, roomkey.bearer.abc` }), "Conflict")
  })

  it("lets another scheme of Authorization be no valid token, rather than no token", () => {
    assert.deepStrictEqual(token({ authorization: "Basic abc" }), Option.some(""))
    assert.strictEqual(token({ authorization: "Basic abc" }, { token: "abc" }), "Conflict")
  })

  it("reads a header of 64 KiB of commas and spaces without trouble", () => {
    assert.deepStrictEqual(token({ "sec-websocket-protocol": " ,".repeat(32 * 1024) }), Option.none())
  })
})

describe("Handshake.originAllowed", () => {
  it("allows any origin, and none, where the tenant lists no origins", () => {
    assert.isTrue(originAllowed([], "https://evil.example"))
    assert.isTrue(originAllowed([], undefined))
  })

  it("allows a listed origin and a client without one, and no other", () => {
    const listed = ["https://app.example", "http://localhost:3000"]
    assert.isTrue(originAllowed(listed, "https://app.example"))
    assert.isTrue(originAllowed(listed, "HTTPS://App.Example"))
    assert.isTrue(originAllowed(listed, undefined))
    for (
      const origin of ["https://evil.example", "http://app.example", "https://app.example.evil.example", "null", ""]
    ) {
      assert.isFalse(originAllowed(listed, origin), origin)
    }
  })
})
