// The database changed by hand, past every instance: as if its word of it came at once.
import { Effect } from "effect"
import { Event } from "../../src/domain/Event.ts"
import { EventBus } from "../../src/services/EventBus.ts"

export const byHand = <A, E, R>(change: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | EventBus> =>
  Effect.tap(change, () => Effect.flatMap(EventBus, (bus) => bus.publish(Event.Gap())))
