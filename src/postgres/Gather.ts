// Calls of one kind that come while others are on their way leave together: one statement, one commit, and to each caller
// its own answer. What a statement for many cannot answer, its caller asks again alone.
import { Clock, Effect, Exit, FiberSet } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { StoreUnavailable } from "../domain/Unavailable.ts"
import { isUnavailable, late, Queries, timing } from "./Query.ts"

/** Calls in a statement. */
const maxCalls = 64
/** Statements on their way at once. One would do to keep the database busy; a second, for when it hangs. */
const maxUnderWay = 2
/** How often it is looked for callers that wait no longer: a timer for each would cost more than to send its call. */
const lookEvery = "100 millis"

interface Waiting<Call, A> {
  readonly key: string
  readonly call: Call
  /** Milliseconds of the clock. */
  readonly until: number
  readonly answer: (answer: Effect.Effect<A | undefined, StoreUnavailable>) => void
}

/** Whether the database undid the statement, as opposed to: nobody knows. */
const wasUndone = (error: SqlError): boolean => {
  switch (error.reason._tag) {
    case "DeadlockError":
    case "LockTimeoutError":
    case "SerializationError":
      return true
    default:
      return !isUnavailable(error)
  }
}

/**
 * `many` asks for several calls, no two of one `key`, and answers those of them that it could, by their index. It must
 * wait for no lock. A call that meets no other goes `alone` at once.
 */
export const make = Effect.fnUntraced(function* <Call, A>(
  operation: string,
  key: (call: Call) => string,
  many: (calls: ReadonlyArray<Call>) => Effect.Effect<ReadonlyMap<number, A>, SqlError>
) {
  const { attempt } = yield* Queries
  const clock = yield* Clock.Clock
  const run = yield* FiberSet.makeRuntime()
  /** Whoever was not answered yet, and of those whose call has not left. */
  const unanswered = new Set<Waiting<Call, A>>()
  const waiting = new Set<Waiting<Call, A>>()
  let underWay = 0
  let departing = false
  let watched = false
  let closed = false

  // Whoever still waits when nothing is sent any more.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      for (const { answer } of unanswered) answer(late(operation))
    })
  )

  const next = (): ReadonlyArray<Waiting<Call, A>> => {
    const batch = new Map<string, Waiting<Call, A>>()
    for (const each of waiting) {
      if (batch.size === maxCalls) break
      if (batch.has(each.key)) continue
      batch.set(each.key, each)
      waiting.delete(each)
    }
    return [...batch.values()]
  }

  const send = (batch: ReadonlyArray<Waiting<Call, A>>) =>
    attempt(
      operation,
      Effect.catchIf(many(batch.map(({ call }) => call)), wasUndone, () => Effect.succeed(new Map<number, A>()))
    ).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          arrived()
          for (const [index, { answer }] of batch.entries()) answer(Exit.map(exit, (answers) => answers.get(index)))
        })
      )
    )

  const depart = Effect.suspend(() => {
    departing = false
    const batch = next()
    leave()
    return batch.length === 0 ? Effect.sync(arrived) : send(batch)
  })

  /** At the end of the turn, with whoever else comes in it. */
  const leave = () => {
    if (departing || underWay === maxUnderWay || waiting.size === 0) return
    departing = true
    underWay++
    run(Effect.andThen(Effect.yieldNow, depart))
  }

  const arrived = () => {
    underWay--
    leave()
  }

  const watch = Effect.gen(function* () {
    while (unanswered.size > 0) {
      yield* Effect.sleep(lookEvery)
      const now = clock.currentTimeMillisUnsafe()
      for (const { answer, until } of unanswered) {
        if (until <= now) answer(late(operation))
      }
    }
    watched = false
  })

  const alone = <E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.uninterruptibleMask((restore) => {
      underWay++
      return Effect.ensuring(restore(call), Effect.sync(arrived))
    })

  const together = (call: Call): Effect.Effect<A | undefined, StoreUnavailable> =>
    Effect.flatMap(timing, ({ left, now, spend }) => {
      if (left === 0 || closed) {
        spend()
        return late(operation)
      }
      return Effect.callback((resume) => {
        const each: Waiting<Call, A> = {
          key: key(call),
          call,
          until: now + left,
          answer: (answer) => {
            settle()
            resume(answer)
          }
        }
        const settle = () => {
          waiting.delete(each)
          if (unanswered.delete(each)) spend()
        }
        waiting.add(each)
        unanswered.add(each)
        leave()
        if (!watched) {
          watched = true
          run(watch)
        }
        return Effect.sync(settle)
      })
    })

  return <E, R>(call: Call, byItself: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreUnavailable, R> =>
    Effect.suspend(() =>
      underWay === 0 ? alone(byItself) : Effect.flatMap(
        together(call),
        (answer): Effect.Effect<A, E, R> => answer === undefined ? byItself : Effect.succeed(answer)
      )
    )
})
