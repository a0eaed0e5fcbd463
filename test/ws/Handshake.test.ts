// The token may come in three ways, a ticket in one, and from a page that the tenant knows.
import { assert, describe, it } from "@effect/vitest"
import { handshakeProblem, originAllowed, presented } from "../../src/ws/Handshake.ts"

/** The token or ticket that is found, else how none is. */
const found = (headers: Record<string, string>, searchParams: Record<string, string | ReadonlyArray<string>> = {}) => {
  const credential = presented({ headers, searchParams }, (secret) => secret)
  switch (credential._tag) {
    case "Token":
      return { token: credential.token, inQuery: credential.inQuery }
    case "Ticket":
      return { ticket: credential.ticket }
    default:
      return credential._tag
  }
}

describe("Handshake.presented", () => {
  it("reads the token from the query, with or without an app_id beside it", () => {
    assert.deepStrictEqual(found({}, { token: "abc" }), { token: "abc", inQuery: true })
    assert.deepStrictEqual(found({}, { token: "abc", app_id: "vc_app_1" }), { token: "abc", inQuery: true })
  })

  it("reads the token from the Authorization header, whatever the case of its scheme", () => {
    assert.deepStrictEqual(found({ authorization: "Bearer abc" }), { token: "abc", inQuery: false })
    assert.deepStrictEqual(found({ authorization: "bEARER  abc " }), { token: "abc", inQuery: false })
  })

  it("reads the token from the subprotocol that is offered beside roomkey.v1, in any order", () => {
    const header = "sec-websocket-protocol"
    assert.deepStrictEqual(found({ [header]: "roomkey.v1, roomkey.bearer.abc" }), { token: "abc", inQuery: false })
    assert.deepStrictEqual(found({ [header]: "roomkey.bearer.abc,roomkey.v1" }), { token: "abc", inQuery: false })
  })

  it("does not take a token subprotocol that is offered without roomkey.v1", () => {
    assert.deepStrictEqual(found({ "sec-websocket-protocol": "roomkey.bearer.abc" }), "Missing")
    assert.deepStrictEqual(found({ "sec-websocket-protocol": "roomkey.v1" }), "Missing")
  })

  it("finds nothing where nothing is presented", () => {
    assert.deepStrictEqual(found({}), "Missing")
    assert.deepStrictEqual(found({}, { app_id: "vc_app_1" }), "Missing")
  })

  it("takes one token named in several places as one", () => {
    const headers = { authorization: "Bearer abc", "sec-websocket-protocol": "roomkey.v1, roomkey.bearer.abc" }
    assert.deepStrictEqual(found(headers, { token: ["abc", "abc"] }), { token: "abc", inQuery: true })
  })

  it("reports a conflict for different tokens, whichever two places name them", () => {
    const authorization = "Bearer abc"
    const protocol = "roomkey.v1, roomkey.bearer.xyz"
    assert.strictEqual(found({ authorization }, { token: "xyz" }), "Conflict")
    assert.strictEqual(found({ authorization, "sec-websocket-protocol": protocol }), "Conflict")
    assert.strictEqual(found({ "sec-websocket-protocol": protocol }, { token: "abc" }), "Conflict")
    assert.strictEqual(found({}, { token: ["abc", "xyz"] }), "Conflict")
    assert.strictEqual(found({ "sec-websocket-protocol": `${protocol}, roomkey.bearer.abc` }), "Conflict")
  })

  it("reads a ticket from the query, and from nowhere else", () => {
    assert.deepStrictEqual(found({}, { ticket: "abc", app_id: "vc_app_1" }), { ticket: "abc" })
    assert.deepStrictEqual(found({}, { ticket: "" }), { ticket: "" })
    assert.strictEqual(found({ ticket: "abc", "sec-websocket-protocol": "roomkey.v1, roomkey.ticket.abc" }), "Missing")
  })

  it("reports a conflict for a ticket with anything beside it, be it the same", () => {
    const ticket = "abc"
    assert.strictEqual(found({}, { ticket, token: "abc" }), "Conflict")
    assert.strictEqual(found({}, { ticket: ["abc", "abc"] }), "Conflict")
    assert.strictEqual(found({ authorization: "Bearer abc" }, { ticket }), "Conflict")
    assert.strictEqual(found({ authorization: "Basic abc" }, { ticket }), "Conflict")
    assert.strictEqual(found({ "sec-websocket-protocol": "roomkey.v1, roomkey.bearer.abc" }, { ticket }), "Conflict")
    assert.deepStrictEqual(found({ "sec-websocket-protocol": "roomkey.v1" }, { ticket }), { ticket })
  })

  it("lets another scheme of Authorization be no valid token, rather than no token", () => {
    assert.deepStrictEqual(found({ authorization: "Basic abc" }), { token: "", inQuery: false })
    assert.strictEqual(found({ authorization: "Basic abc" }, { token: "abc" }), "Conflict")
  })

  it("reads a header of 64 KiB of commas and spaces without trouble", () => {
    assert.deepStrictEqual(found({ "sec-websocket-protocol": " ,".repeat(32 * 1024) }), "Missing")
  })
})

describe("A handshake's headers", () => {
  it("cost less than 5 ms of processor time to read, 8 KiB of whatever would send a pattern astray", () => {
    const times = 100
    const hostile = [" ", ",", " ,", "a", "a,", "=", "/", "Bearer ", "roomkey.bearer.", "roomkey.v1,", "\t", "\u00e9"]
    for (const piece of hostile) {
      const value = piece.repeat(8192 / piece.length)
      for (const text of [value, `Bearer ${value}`, `${value}!`, `roomkey.v1, ${value}`]) {
        const names = [
          "authorization",
          "sec-websocket-protocol",
          "sec-websocket-key",
          "upgrade",
          "connection",
          "origin"
        ]
        const headers = Object.fromEntries(names.map((name) => [name, text]))
        const begun = process.cpuUsage()
        for (let time = 0; time < times; time++) {
          presented({ headers, searchParams: {} }, (secret) => secret)
          handshakeProblem("GET", headers)
          handshakeProblem("GET", { ...headers, upgrade: "websocket", connection: "upgrade" })
          originAllowed(["https://app.example"], text)
        }
        const { user } = process.cpuUsage(begun)
        assert.isBelow(user / times, 5000, JSON.stringify(piece))
      }
    }
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
