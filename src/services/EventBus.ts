import { Context, Effect, Layer, PubSub, type Scope } from "effect"
import type { Event } from "../domain/Event.ts"

/**
 * What happened, for whoever holds state derived from the database. `publish` reaches this instance only, at once:
 * the statement that changed the database is what tells the others.
 */
export class EventBus extends Context.Service<EventBus, {
  readonly publish: (event: Event) => Effect.Effect<void>
  readonly subscribe: Effect.Effect<PubSub.Subscription<Event>, never, Scope.Scope>
}>()("roomkey/services/EventBus") {
  /** One instance by itself. */
  static readonly layerMemory = Layer.effect(
    EventBus,
    Effect.gen(function* () {
      const events = yield* PubSub.unbounded<Event>()
      return EventBus.of({
        publish: (event) => Effect.asVoid(PubSub.publish(events, event)),
        subscribe: PubSub.subscribe(events)
      })
    })
  )
}
