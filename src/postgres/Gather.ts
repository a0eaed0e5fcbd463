// Calls of one kind that come while others are on their way leave together: one statement, one commit, and to each caller
// its own answer. What a statement for many cannot answer, its caller asks again alone.
import { Deferred, Effect, Exit, FiberSet } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { StoreUnavailable } from "../domain/Unavailable.ts"
import { isUnavailable, Queries } from "./Query.ts"

/** Calls in a statement. */
const maxCalls = 64
/** Statements on their way at once. */
const maxUnderWay = 3

interface Waiting<Call, A> {
  readonly key: string
  readonly call: Call
  readonly answer: Deferred.Deferred<A | undefined, StoreUnavailable>
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
  const run = yield* FiberSet.makeRuntime()
  const waiting = new Set<Waiting<Call, A>>()
  let underWay = 0

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
          for (const [index, { answer }] of batch.entries()) {
            Deferred.doneUnsafe(answer, Exit.map(exit, (answers) => answers.get(index)))
          }
        })
      )
    )

  const leave = () => {
    while (underWay < maxUnderWay && waiting.size > 0) {
      underWay++
      run(send(next()))
    }
  }

  const arrived = () => {
    underWay--
    leave()
  }

  return <E, R>(call: Call, alone: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreUnavailable, R> =>
    Effect.uninterruptibleMask((restore) => {
      if (underWay === 0) {
        underWay++
        return Effect.ensuring(restore(alone), Effect.sync(arrived))
      }
      const each: Waiting<Call, A> = { key: key(call), call, answer: Deferred.makeUnsafe() }
      waiting.add(each)
      leave()
      return restore(attempt(operation, Deferred.await(each.answer))).pipe(
        Effect.ensuring(Effect.sync(() => waiting.delete(each))),
        Effect.flatMap((answer) => answer === undefined ? restore(alone) : Effect.succeed(answer))
      )
    })
})
