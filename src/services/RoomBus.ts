import { Context, Deferred, Effect, Layer, PubSub, type Scope } from "effect"
import type { RoomNotice } from "../domain/RoomNotice.ts"

/** A notice, and what is to be done once this instance has acted on it. */
export interface Heard {
  readonly notice: RoomNotice
  readonly done: Effect.Effect<void>
}

/** How long a decision that is written is waited for. */
const patience = "2 seconds"

/**
 * Notices about voice rooms. `publish` reaches this instance only, at once, and ends when it has acted on it, or after two
 * seconds: the statement that wrote the rows is what tells the others.
 */
export class RoomBus extends Context.Service<RoomBus, {
  readonly publish: (notice: RoomNotice) => Effect.Effect<void>
  readonly subscribe: Effect.Effect<PubSub.Subscription<Heard>, never, Scope.Scope>
}>()("roomkey/services/RoomBus") {
  /** A bus, and the way in for notices that nobody waits for. */
  static readonly make: Effect.Effect<{
    readonly bus: RoomBus["Service"]
    readonly tell: (notice: RoomNotice) => Effect.Effect<void>
  }> = Effect.gen(function* () {
    const notices = yield* PubSub.unbounded<Heard>()
    let listeners = 0
    const listening = Effect.acquireRelease(
      Effect.sync(() => listeners++),
      () => Effect.sync(() => listeners--)
    )
    return {
      bus: RoomBus.of({
        publish: (notice) =>
          Effect.suspend(() => {
            if (listeners === 0) return Effect.void
            const done = Deferred.makeUnsafe<void>()
            return PubSub.publish(notices, { notice, done: Effect.asVoid(Deferred.succeed(done, undefined)) }).pipe(
              Effect.andThen(Effect.timeoutOption(Deferred.await(done), patience)),
              Effect.asVoid
            )
          }),
        subscribe: Effect.andThen(listening, PubSub.subscribe(notices))
      }),
      tell: (notice) => Effect.asVoid(PubSub.publish(notices, { notice, done: Effect.void }))
    }
  })

  /** One instance by itself. */
  static readonly layerMemory = Layer.effect(RoomBus, Effect.map(RoomBus.make, ({ bus }) => bus))
}
