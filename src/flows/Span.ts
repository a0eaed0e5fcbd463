import { Effect, References } from "effect"

/**
 * What `Effect.fn` gives a flow by its name, at no cost where nobody receives spans: for those that are called more than
 * anything else.
 */
export const withSpan = (name: string) => <A, E, R>(flow: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    fiber.getRef(References.TracerEnabled) ? Effect.withSpan(flow, name) as Effect.Effect<A, E, R> : flow
  )
