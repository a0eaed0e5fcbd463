// This instance's state, in memory.
import { Effect, Layer } from "effect"
import { Lifecycle } from "../services/Lifecycle.ts"

export const layer: Layer.Layer<Lifecycle> = Layer.sync(Lifecycle, () => {
  let draining = false
  return Lifecycle.of({
    draining: () => draining,
    drain: Effect.sync(() => {
      draining = true
    })
  })
})
