// Turns for work that cannot be stopped once it runs: who waits may leave at any moment, who runs keeps the turn until
// the work is done, and a turn is never lost between the two. Owners take turns: however many wait for one of them, the
// first of each other is next; and while others come, one of them leaves a place free, so that they need not wait at all.
import { Clock, Deferred, Effect, Metric } from "effect"
import { HasherBusy } from "../domain/Unavailable.ts"
import { hashQueue, hashRejections } from "../Metrics.ts"

interface Turn {
  readonly come: Deferred.Deferred<void, HasherBusy>
  called: boolean
}

/** A caller who has waited so long is better told to come again. */
const patience = "4 seconds"

/** Milliseconds for which a place is kept free for other owners after one has come. */
const keptFor = 10_000

/**
 * At most `concurrency` pieces of work run, of one owner one less while others come, and `queue` wait. One more fails at
 * once; or, if its owner has fewer waiting than another, the last of the other's.
 */
export const makeTurns = (concurrency: number, queue: number) => {
  let running = 0
  let waiting = 0
  /** Who waits, by owner; the owner whose turn is next comes first. */
  const owners = new Map<string, Set<Turn>>()
  /** How many run, by owner. */
  const runningOf = new Map<string, number>()
  /** Who came last, and who came last that was somebody else. */
  let last = { owner: "", at: -Infinity }
  let lastOther = last

  const seen = (owner: string, at: number): void => {
    if (last.owner !== owner) lastOther = last
    last = { owner, at }
  }

  const mayRun = (owner: string, now: number): boolean => {
    if (running >= concurrency) return false
    if (concurrency === 1 || (runningOf.get(owner) ?? 0) < concurrency - 1) return true
    return now - (last.owner === owner ? lastOther : last).at >= keptFor
  }

  const count = (owner: string, change: number): void => {
    running += change
    const ofOwner = (runningOf.get(owner) ?? 0) + change
    if (ofOwner === 0) runningOf.delete(owner)
    else runningOf.set(owner, ofOwner)
  }

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

  const callNext = (now: number): Turn | undefined => {
    for (const [owner, ofOwner] of owners) {
      if (!mayRun(owner, now)) continue
      for (const turn of ofOwner) {
        leave(owner, turn)
        turn.called = true
        count(owner, 1)
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

  const release = (owner: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      count(owner, -1)
      // More than one when the place that was kept is kept no longer.
      const called = []
      for (let next = callNext(now); next !== undefined; next = callNext(now)) called.push(next.come)
      return Effect.andThen(
        Effect.forEach(called, (come) => Deferred.succeed(come, undefined), { discard: true }),
        report
      )
    })

  return <A>(owner: string, work: () => Promise<A>): Effect.Effect<A, HasherBusy> =>
    Effect.uninterruptibleMask((restore) => {
      const acquire = Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<void, HasherBusy> => {
        seen(owner, now)
        if (mayRun(owner, now)) {
          count(owner, 1)
          return report
        }
        let makeRoom: Effect.Effect<unknown> = Effect.void
        if (waiting >= queue) {
          const greediest = lastOfTheGreediest(owner)
          if (greediest === undefined) return refuse
          leave(...greediest)
          makeRoom = Deferred.completeWith(greediest[1].come, refuse)
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
            if (turn.called) return release(owner)
            leave(owner, turn)
            return report
          })
        )
      })
      return Effect.flatMap(acquire, () => Effect.ensuring(Effect.promise(work), release(owner)))
    })
}
