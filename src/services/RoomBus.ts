import { Context, Effect, Layer, PubSub, type Scope } from "effect"
import type { RoomNotice } from "../domain/RoomNotice.ts"

/**
 * Notices about voice rooms. `publish` reaches this instance only, at once: the statement that wrote the rows is what
 * tells the others.
 */
export class RoomBus extends Context.Service<RoomBus, {
  readonly publish: (notice: RoomNotice) => Effect.Effect<void>
  readonly subscribe: Effect.Effect<PubSub.Subscription<RoomNotice>, never, Scope.Scope>
}>()("roomkey/services/RoomBus") {
  /** One instance by itself. */
  static readonly layerMemory = Layer.effect(
    RoomBus,
    Effect.gen(function* () {
      const notices = yield* PubSub.unbounded<RoomNotice>()
      return RoomBus.of({
        publish: (notice) => Effect.asVoid(PubSub.publish(notices, notice)),
        subscribe: PubSub.subscribe(notices)
      })
    })
  )
}
