import { Context, Effect, Layer, PubSub, type Scope } from "effect"
import type { Event } from "../domain/Event.ts"

/**
 * What happened, for whoever holds state derived from the database. `publish` reaches this instance only, at once:
 * the statement that changed the database is what tells the others.
 */
export class EventBus extends Context.Service<EventBus, {
  readonly publish: (event: Event) => Effect.Effect<void>
  readonly subscribe: Effect.Effect<PubSub.Subscription<Event>, never, Scope.Scope>
  /** A number that is another one after each `Gap`; nothing while the events of others are not heard. */
  readonly hearing: () => number | undefined
}>()("roomkey/services/EventBus") {
  /** A bus within this instance; `setHearing` says whether the events of others reach it. */
  static readonly makeLocal = Effect.map(PubSub.unbounded<Event>(), (events) => {
    let hearing = true
    let epoch = 0
    const bus = EventBus.of({
      publish: (event) =>
        Effect.suspend(() => {
          if (event._tag === "Gap") epoch++
          return Effect.asVoid(PubSub.publish(events, event))
        }),
      subscribe: PubSub.subscribe(events),
      hearing: () => hearing ? epoch : undefined
    })
    return {
      bus,
      setHearing: (value: boolean) =>
        Effect.sync(() => {
          hearing = value
        })
    }
  })

  /** One instance by itself. */
  static readonly layerMemory = Layer.effect(EventBus, Effect.map(EventBus.makeLocal, ({ bus }) => bus))
}
