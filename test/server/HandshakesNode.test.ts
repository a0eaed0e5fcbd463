import { assert, describe, it } from "@effect/vitest"
import { paramsOf } from "../../src/server/HandshakesNode.ts"

describe("HandshakesNode.paramsOf", () => {
  it("gives a name that is there once its value, and one that is there several times all of them", () => {
    assert.deepEqual({ ...paramsOf("token=a&app_id=b&token=c&token=d") }, { token: ["a", "c", "d"], app_id: "b" })
    assert.deepEqual({ ...paramsOf(undefined) }, {})
    assert.strictEqual(paramsOf("__proto__=x")["__proto__"], "x")
  })

  it("takes time in proportion to the query, whatever it repeats", () => {
    const query = "a&".repeat(8000)
    const times = 10
    const begun = process.cpuUsage()
    for (let time = 0; time < times; time++) assert.lengthOf(paramsOf(query)["a"]!, 8000)
    assert.isBelow(process.cpuUsage(begun).user / times, 50_000)
  })
})
