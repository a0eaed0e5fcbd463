// A gauge that is read when it is asked for, and only as long as there is something to read.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { reading } from "../src/Metrics.ts"

describe("Metrics.reading", () => {
  it.effect("says what is so now, and nothing once its scope has closed", () =>
    Effect.gen(function* () {
      const registry = new Map()
      let count = 2
      const states = Effect.map(Metric.snapshot, (series) => series.map(({ state }) => state))
      yield* Effect.gen(function* () {
        yield* Effect.scoped(Effect.gen(function* () {
          yield* reading(Metric.gauge("guests"), () => count)
          assert.deepStrictEqual(yield* states, [{ value: 2 }])
          count = 5
          assert.deepStrictEqual(yield* states, [{ value: 5 }])
        }))
        assert.deepStrictEqual(yield* states, [])
      }).pipe(Effect.provideService(Metric.MetricRegistry, registry))
    }))
})
