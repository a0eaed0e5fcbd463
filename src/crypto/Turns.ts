// Turns for work that cannot be stopped once it runs: who waits may leave at any moment, who runs keeps the turn until
// the work is done, and a turn is never lost between the two.
import { Deferred, Effect, Metric } from "effect"
import { HasherBusy } from "../domain/Unavailable.ts"
import { hashQueue, hashRejections } from "../Metrics.ts"

/** At most `concurrency` pieces of work run and `queue` wait; one more fails at once. First come, first served. */
export const makeTurns = (concurrency: number, queue: number) => {
  let running = 0
  const waiting = new Set<Deferred.Deferred<void>>()
  // Read and written in one step: a report must not overwrite one that was made after it.
  const report = Effect.withFiber<void>((fiber) => {
    hashQueue.updateUnsafe(running + waiting.size, fiber.context)
    return Effect.void
  })

  const release = Effect.suspend(() => {
    const [next] = waiting
    if (next === undefined) {
      running--
      return report
    }
    waiting.delete(next)
    return Effect.andThen(Deferred.succeed(next, undefined), report)
  })

  return <A>(work: () => Promise<A>): Effect.Effect<A, HasherBusy> =>
    Effect.uninterruptibleMask((restore) => {
      const acquire = Effect.suspend((): Effect.Effect<void, HasherBusy> => {
        if (running < concurrency) {
          running++
          return report
        }
        if (waiting.size >= queue) {
          return Effect.andThen(Metric.update(hashRejections, 1), Effect.fail(new HasherBusy()))
        }
        const turn = Deferred.makeUnsafe<void>()
        waiting.add(turn)
        return Effect.andThen(report, restore(Deferred.await(turn))).pipe(
          // Interrupted between being called up and taking the turn: pass it on.
          Effect.onInterrupt(() => waiting.delete(turn) ? report : release)
        )
      })
      return Effect.flatMap(acquire, () => Effect.ensuring(Effect.promise(work), release))
    })
}
