// This instance's state, in memory.
import { Effect, Layer, Ref } from "effect"
import { Lifecycle } from "../services/Lifecycle.ts"

export const layer: Layer.Layer<Lifecycle> = Layer.effect(
  Lifecycle,
  Effect.gen(function* () {
    const draining = yield* Ref.make(false)
    return Lifecycle.of({ draining: Ref.get(draining), drain: Ref.set(draining, true) })
  })
)
