// Turns for work that cannot be stopped once it runs: who waits may leave at any moment, who runs keeps the turn until
// the work is done, and a turn is never lost between the two. Owners take turns: however many wait for one of them, the
// first of each other is next.
import { Deferred, Effect, Metric } from "effect"
import { HasherBusy } from "../domain/Unavailable.ts"
import { hashQueue, hashRejections } from "../Metrics.ts"

interface Turn {
  readonly come: Deferred.Deferred<void, HasherBusy>
  called: boolean
}

/** A caller who has waited so long is better told to come again. */
const patience = "4 seconds"

/**
 * At most `concurrency` pieces of work run and `queue` wait. One more fails at once; or, if its owner has fewer waiting
 * than another, the last of the other's.
 */
export const makeTurns = (concurrency: number, queue: number) => {
  let running = 0
  let waiting = 0
  /** Who waits, by owner; the owner whose turn is next comes first. */
  const owners = new Map<string, Set<Turn>>()

  // Read and written in one step: a report must not overwrite one that was made after it.
  const report = Effect.withFiber<void>((fiber) => {
    hashQueue.updateUnsafe(running + waiting, fiber.context)
    return Effect.void
  })

  const refuse = Effect.andThen(Metric.update(hashRejections, 1), Effect.fail(new HasherBusy()))

  const leave = (owner: string, turn: Turn): void => {
    const ofOwner = owners.get(owner)
    if (ofOwner === undefined || !ofOwner.delete(turn)) return
    if (ofOwner.size === 0) owners.delete(owner)
    waiting--
  }

  const enter = (owner: string): Turn => {
    const turn: Turn = { come: Deferred.makeUnsafe(), called: false }
    const ofOwner = owners.get(owner)
    if (ofOwner === undefined) owners.set(owner, new Set([turn]))
    else ofOwner.add(turn)
    waiting++
    return turn
  }

  const callNext = (): Turn | undefined => {
    for (const [owner, ofOwner] of owners) {
      for (const turn of ofOwner) {
        leave(owner, turn)
        turn.called = true
        // To the end of the row.
        if (owners.delete(owner)) owners.set(owner, ofOwner)
        return turn
      }
    }
    return undefined
  }

  /** The last of the owner who has most waiting, if that is more than `owner` would have with one more. */
  const lastOfTheGreediest = (owner: string): readonly [owner: string, turn: Turn] | undefined => {
    let greediest: readonly [owner: string, turns: Set<Turn>] | undefined
    for (const entry of owners) if (entry[1].size > (greediest?.[1].size ?? 0)) greediest = entry
    if (greediest === undefined || greediest[1].size <= (owners.get(owner)?.size ?? 0) + 1) return undefined
    return [greediest[0], [...greediest[1]].at(-1)!]
  }

  const release = Effect.suspend(() => {
    const next = callNext()
    if (next !== undefined) return Effect.andThen(Deferred.succeed(next.come, undefined), report)
    running--
    return report
  })

  return <A>(owner: string, work: () => Promise<A>): Effect.Effect<A, HasherBusy> =>
    Effect.uninterruptibleMask((restore) => {
      const acquire = Effect.suspend((): Effect.Effect<void, HasherBusy> => {
        if (running < concurrency) {
          running++
          return report
        }
        let makeRoom: Effect.Effect<unknown> = Effect.void
        if (waiting >= queue) {
          const last = lastOfTheGreediest(owner)
          if (last === undefined) return refuse
          leave(...last)
          makeRoom = Deferred.completeWith(last[1].come, refuse)
        }
        const turn = enter(owner)
        return makeRoom.pipe(
          Effect.andThen(report),
          Effect.andThen(restore(Effect.timeoutOrElse(Deferred.await(turn.come), {
            duration: patience,
            orElse: () => {
              // Called in the same moment: the turn is there.
              if (turn.called) return Effect.void
              leave(owner, turn)
              return Effect.andThen(report, refuse)
            }
          }))),
          // Interrupted between being called up and taking the turn: pass it on.
          Effect.onInterrupt(() => {
            if (turn.called) return release
            leave(owner, turn)
            return report
          })
        )
      })
      return Effect.flatMap(acquire, () => Effect.ensuring(Effect.promise(work), release))
    })
}
