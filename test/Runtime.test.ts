// A test run that claims to be Deno's is worthless if its workers are Node after all.
import { assert, describe, it } from "@effect/vitest"

describe("Runtime", () => {
  it("runs the tests on the runtime that ROOMKEY_TEST_RUNTIME names, on Node without it", () => {
    const runtime = "deno" in process.versions ? "deno" : "node"
    assert.strictEqual(runtime, process.env["ROOMKEY_TEST_RUNTIME"] ?? "node")
  })
})
