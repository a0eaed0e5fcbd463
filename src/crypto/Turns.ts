// Turns for work that cannot be stopped once it runs: who waits may leave at any moment, and what runs keeps its place until
// it is done. Owners take turns: however many wait for one of them, the first of each other is next; and while others
// come, one of them leaves a place free, so that they need not wait at all. What an owner has waiting, while no other has, is
// called up several at a time: they begin, are answered and come again together, which costs the program much less than
// one after another. What is called up is done, whether its caller is still there or not.
import { Clock, Effect, Fiber, Metric, type Scope } from "effect"
import { HasherBusy } from "../domain/Unavailable.ts"
import { hashQueue, hashRejections, reading } from "../Metrics.ts"

export interface Places {
  /** How many places there are. */
  readonly concurrency: number
  /** How many may wait for one. */
  readonly queue: number
  /** How many are called up to one place at once, if so many wait for each. */
  readonly together: number
}

export interface Turn<W, A, E> {
  readonly work: W
  readonly settle: (outcome: Effect.Effect<A, E>) => void
}

/** Does them in this order, settles each, and says when the place is free: before it settles the last. */
export type Perform<W, A, E> = (turns: ReadonlyArray<Turn<W, A, E>>, free: () => void) => void

interface Waiting<W, A, E> extends Turn<W, A, E | HasherBusy> {
  /** Shares its place with no other. */
  readonly alone: boolean
  /** Milliseconds of the clock. */
  readonly since: number
}

/** Milliseconds: a caller who has waited so long is better told to come again. */
const patience = 4000

/** Milliseconds for which a place is kept free for other owners after one has come. */
const keptFor = 10_000

const refuse = Effect.andThen(Metric.update(hashRejections, 1), Effect.fail(new HasherBusy()))

/**
 * At most `concurrency` places are taken, by one owner one less while others come, and `queue` wait. One more fails at
 * once; or, if its owner has fewer waiting than another, the last of the other's.
 */
export const makeTurns = <W, A, E>(
  { concurrency, queue, together }: Places,
  perform: Perform<W, A, E>
): Effect.Effect<
  (owner: string, work: W, options?: { readonly alone: boolean }) => Effect.Effect<A, E | HasherBusy>,
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const run = Effect.runForkWith(yield* Effect.context<never>())
    let taken = 0
    let running = 0
    let waiting = 0
    /** Who waits, by owner; the owner whose turn is next comes first. */
    const owners = new Map<string, Set<Waiting<W, A, E>>>()
    /** How many places each owner has taken. */
    const takenBy = new Map<string, number>()
    /** Who came last, and who came last that was somebody else. */
    let last = { owner: "", at: -Infinity }
    let lastOther = last
    let watch: Fiber.Fiber<void> | undefined
    let closed = false

    yield* reading(hashQueue, () => running + waiting)
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        closed = true
        for (const [owner, turns] of owners) turns.forEach((turn) => sendAway(owner, turn))
        return watch === undefined ? Effect.void : Fiber.interrupt(watch)
      })
    )

    const seen = (owner: string, at: number): void => {
      if (last.owner !== owner) lastOther = last
      last = { owner, at }
    }

    const othersCome = (owner: string, now: number): boolean =>
      now - (last.owner === owner ? lastOther : last).at < keptFor

    const mayRun = (owner: string, now: number): boolean => {
      if (taken >= concurrency) return false
      return concurrency === 1 || (takenBy.get(owner) ?? 0) < concurrency - 1 || !othersCome(owner, now)
    }

    const take = (owner: string, places: 1 | -1): void => {
      taken += places
      const ofOwner = (takenBy.get(owner) ?? 0) + places
      if (ofOwner === 0) takenBy.delete(owner)
      else takenBy.set(owner, ofOwner)
    }

    const enter = (owner: string, turn: Waiting<W, A, E>): void => {
      const ofOwner = owners.get(owner)
      if (ofOwner === undefined) owners.set(owner, new Set([turn]))
      else ofOwner.add(turn)
      waiting++
    }

    /** If it still waits. */
    const leave = (owner: string, turn: Waiting<W, A, E>): void => {
      const ofOwner = owners.get(owner)
      if (ofOwner === undefined || !ofOwner.delete(turn)) return
      if (ofOwner.size === 0) owners.delete(owner)
      waiting--
    }

    const sendAway = (owner: string, turn: Waiting<W, A, E>): void => {
      leave(owner, turn)
      turn.settle(refuse)
    }

    /** How many share a place: one, where others would wait for all of them, or where it is late already. */
    const shareOf = (owner: string, turns: ReadonlySet<Waiting<W, A, E>>, now: number): number => {
      const [first] = turns
      const late = first !== undefined && now - first.since > patience / 2
      if (late || owners.size > 1 || concurrency === 1 && othersCome(owner, now)) return 1
      return Math.min(together, Math.ceil(turns.size / concurrency))
    }

    /** The first of the owner's, and those after it that share its place. */
    const next = (
      owner: string,
      ofOwner: ReadonlySet<Waiting<W, A, E>>,
      now: number
    ): ReadonlyArray<Waiting<W, A, E>> => {
      const share = shareOf(owner, ofOwner, now)
      const called: Array<Waiting<W, A, E>> = []
      for (const turn of ofOwner) {
        if (called.length > 0 && (turn.alone || called.length === share)) break
        called.push(turn)
        if (turn.alone) break
      }
      return called
    }

    const callUp = (owner: string, turns: ReadonlyArray<Waiting<W, A, E>>): void => {
      for (const turn of turns) leave(owner, turn)
      // To the end of the row.
      const ofOwner = owners.get(owner)
      if (ofOwner !== undefined && owners.delete(owner)) owners.set(owner, ofOwner)
      take(owner, 1)
      running += turns.length
      perform(turns, () => {
        take(owner, -1)
        running -= turns.length
        callAll()
      })
    }

    /** More than one when the place that was kept is kept no longer. */
    const callAll = (): void => {
      const now = clock.currentTimeMillisUnsafe()
      const first = () => [...owners].find(([owner]) => mayRun(owner, now))
      for (let found = first(); found !== undefined; found = first()) callUp(found[0], next(...found, now))
    }

    /** The last of the owner who has most waiting, if that is more than `owner` would have with one more. */
    const lastOfTheGreediest = (owner: string): readonly [owner: string, turn: Waiting<W, A, E>] | undefined => {
      let greediest: readonly [owner: string, turns: Set<Waiting<W, A, E>>] | undefined
      for (const entry of owners) if (entry[1].size > (greediest?.[1].size ?? 0)) greediest = entry
      if (greediest === undefined || greediest[1].size <= (owners.get(owner)?.size ?? 0) + 1) return undefined
      return [greediest[0], [...greediest[1]].at(-1)!]
    }

    /** Milliseconds until somebody has waited too long; who has, is sent away. */
    const untilTooLong = (): number | undefined => {
      const now = clock.currentTimeMillisUnsafe()
      let earliest: number | undefined
      for (const [owner, turns] of owners) {
        for (const turn of turns) {
          // Not more, should the clock be set back.
          const left = Math.min(patience, turn.since + patience - now)
          if (left <= 0) sendAway(owner, turn)
          else earliest = Math.min(earliest ?? left, left)
        }
      }
      return earliest
    }

    /** One for all who wait: a timer for each would cost more than its turn. */
    const sendAwayInTime = Effect.gen(function* () {
      for (let left = untilTooLong(); left !== undefined; left = untilTooLong()) yield* Effect.sleep(left)
      watch = undefined
    })

    return (owner, work, { alone } = { alone: false }) =>
      Effect.callback((resume) => {
        const since = clock.currentTimeMillisUnsafe()
        seen(owner, since)
        if ((closed || waiting >= queue) && !mayRun(owner, since)) {
          const greediest = closed ? undefined : lastOfTheGreediest(owner)
          if (greediest === undefined) return resume(refuse)
          sendAway(...greediest)
        }
        const turn: Waiting<W, A, E> = { work, settle: resume, alone, since }
        enter(owner, turn)
        callAll()
        if (waiting > 0) watch ??= run(sendAwayInTime)
        return Effect.sync(() => leave(owner, turn))
      })
  })
