import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { Headers } from "effect/http"
import { clientAddress } from "../../src/http/ClientAddress.ts"

const from = (peer: string, forwarded?: string) => ({
  remoteAddress: Option.some(peer),
  headers: Headers.fromInput(forwarded === undefined ? {} : { "x-forwarded-for": forwarded })
})

describe("clientAddress", () => {
  it("does not believe X-Forwarded-For without a proxy in front", () => {
    assert.strictEqual(clientAddress(from("192.0.2.1", "203.0.113.1"), 0), "192.0.2.1")
  })

  it("takes the address that the nearest trusted proxy saw, whatever the client wrote before it", () => {
    assert.strictEqual(clientAddress(from("10.0.0.1", "1.1.1.1, 203.0.113.1"), 1), "203.0.113.1")
    assert.strictEqual(clientAddress(from("10.0.0.1", "1.1.1.1, 203.0.113.1, 10.0.0.2"), 2), "203.0.113.1")
  })

  it("falls back on the peer where the header is missing or no address", () => {
    assert.strictEqual(clientAddress(from("10.0.0.1"), 1), "10.0.0.1")
    assert.strictEqual(clientAddress(from("10.0.0.1", "nonsense"), 1), "10.0.0.1")
    assert.strictEqual(clientAddress(from("10.0.0.1", "x".repeat(100_000)), 1), "10.0.0.1")
  })

  it("counts IPv6 by /64, in one spelling, and IPv4 inside IPv6 as IPv4", () => {
    const same = ["2001:db8:1:2::1", "2001:DB8:1:2:ffff:0:0:9", "[2001:db8:1:2::7]", "[2001:db8:1:2::7]:443"]
    assert.deepEqual(
      same.map((address) => clientAddress(from("10.0.0.1", address), 1)),
      Array(4).fill("2001:db8:1:2::/64")
    )
    assert.strictEqual(clientAddress(from("::ffff:192.0.2.1"), 0), "192.0.2.1")
    assert.strictEqual(clientAddress(from("10.0.0.1", "192.0.2.1:5555"), 1), "192.0.2.1")
  })

  it("has an answer for a peer that nobody knows", () => {
    assert.strictEqual(clientAddress({ remoteAddress: Option.none(), headers: Headers.empty }, 0), "unknown")
  })
})
