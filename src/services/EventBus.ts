import { Context, Effect, Layer, PubSub, type Scope } from "effect"
import type { Event } from "../domain/Event.ts"

/** Milliseconds that what others say may be on its way, short of the second in which it must show. */
export const maxLag = 750

/**
 * What happened, for whoever holds state derived from the database. `publish` reaches this instance only, at once:
 * the statement that changed the database is what tells the others.
 */
export class EventBus extends Context.Service<EventBus, {
  readonly publish: (event: Event) => Effect.Effect<void>
  readonly subscribe: Effect.Effect<PubSub.Subscription<Event>, never, Scope.Scope>
  /** Has `listener` called within each `publish`: for state that must never be behind `hearing`. */
  readonly attend: (listener: (event: Event) => void) => Effect.Effect<void, never, Scope.Scope>
  /**
   * A number that is another one after each `Gap`; nothing unless all that others said, but for the last `maxLag`, has been
   * published here.
   */
  readonly hearing: () => number | undefined
}>()("roomkey/services/EventBus") {
  /** A bus within this instance; `isHearing` says whether the events of others reach it in time. */
  static readonly make = (isHearing: () => boolean): Effect.Effect<EventBus["Service"]> =>
    Effect.map(PubSub.unbounded<Event>(), (events) => {
      const listeners = new Set<(event: Event) => void>()
      let epoch = 0
      return {
        publish: (event) =>
          Effect.suspend(() => {
            if (event._tag === "Gap") epoch++
            for (const listener of listeners) listener(event)
            return Effect.asVoid(PubSub.publish(events, event))
          }),
        subscribe: PubSub.subscribe(events),
        attend: (listener) =>
          Effect.asVoid(Effect.acquireRelease(
            Effect.sync(() => listeners.add(listener)),
            () => Effect.sync(() => listeners.delete(listener))
          )),
        hearing: () => isHearing() ? epoch : undefined
      }
    })

  /** One instance by itself. */
  static readonly layerMemory = Layer.effect(EventBus, this.make(() => true))
}
