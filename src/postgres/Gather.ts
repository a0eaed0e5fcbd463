// Calls of one kind that come in one turn, or while others are on their way, leave together: one statement, one commit, and
// to each caller its own answer. What a statement for many cannot answer, its caller asks again alone.
import { Clock, Effect, Exit, Fiber } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { StoreUnavailable } from "../domain/Unavailable.ts"
import { isUnavailable, late, Queries, timing, untilGathered } from "./Query.ts"

/** Calls in a statement. */
const maxCalls = 64
/** Calls that are worth a statement of their own although another is on its way: one costs as much as several of its calls. */
const enough = 12
/** Milliseconds after which a statement for several is not waited for: what it hangs on need not be what others need. */
const slow = 100
/** Statements on their way at once. */
const maxUnderWay = 4

interface Waiting<Call, A> {
  readonly key: string
  readonly call: Call
  /** Milliseconds of the clock. */
  readonly until: number
  /** `undefined`: the call is made again, alone. */
  readonly answer: (answer: A | undefined) => void
  /** The same, while nothing else is on its way. */
  readonly goAlone: () => void
  readonly fail: (failure: Effect.Effect<never, StoreUnavailable>) => void
  settled: boolean
}

/** What is on its way, for so many callers; for none that waits, if its caller went alone. */
interface Statement<Call, A> {
  /** Milliseconds of the clock. */
  readonly since: number
  readonly callers: ReadonlyArray<Waiting<Call, A>>
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
 * wait for no lock for long. A call that meets no other goes alone: with `atOnce` before whatever else comes in its turn,
 * which answers it a little sooner.
 */
export const make = Effect.fnUntraced(function* <Call, A>(
  operation: string,
  key: (call: Call) => string,
  many: (calls: ReadonlyArray<Call>) => Effect.Effect<ReadonlyMap<number, A>, SqlError>,
  { atOnce }: { readonly atOnce: boolean }
) {
  const { attempt } = yield* Queries
  const clock = yield* Clock.Clock
  const run = Effect.runForkWith(yield* Effect.context<never>())
  // Arrays that are made anew. Whatever passes through a `Set` of long life is kept by the tables that the set outgrows,
  // each of which knows the next, until the collector of old objects has run.
  let waiting: Array<Waiting<Call, A>> = []
  let underWay: ReadonlyArray<Statement<Call, A>> = []
  let fibers: ReadonlyArray<Fiber.Fiber<unknown>> = []
  let departing = false
  let watched = false
  let closed = false

  const unanswered = () => [...underWay.flatMap(({ callers }) => callers), ...waiting].filter(({ settled }) => !settled)

  // Whoever still waits when nothing is sent any more.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closed = true
      for (const { fail } of unanswered()) fail(late(operation))
      return Fiber.interruptAll(fibers)
    })
  )

  const fork = (effect: Effect.Effect<unknown>) => {
    const fiber = run(effect)
    fibers = [...fibers, fiber]
    fiber.addObserver(() => {
      fibers = fibers.filter((other) => other !== fiber)
    })
  }

  const next = (): ReadonlyArray<Waiting<Call, A>> => {
    const batch = new Map<string, Waiting<Call, A>>()
    waiting = waiting.filter((each) => {
      if (batch.size === maxCalls || batch.has(each.key)) return true
      batch.set(each.key, each)
      return false
    })
    return [...batch.values()]
  }

  const sent = (callers: ReadonlyArray<Waiting<Call, A>>): Statement<Call, A> => {
    const statement = { since: clock.currentTimeMillisUnsafe(), callers }
    underWay = [...underWay, statement]
    return statement
  }

  const arrived = (statement: Statement<Call, A>) => {
    underWay = underWay.filter((other) => other !== statement)
    leave()
  }

  const answerAll = ({ callers }: Statement<Call, A>, exit: Exit.Exit<ReadonlyMap<number, A>, StoreUnavailable>) => {
    for (const [index, { answer, fail }] of callers.entries()) {
      if (Exit.isSuccess(exit)) answer(exit.value.get(index))
      else fail(Effect.failCause(exit.cause))
    }
  }

  const send = Effect.suspend((): Effect.Effect<unknown, StoreUnavailable> => {
    departing = false
    const callers = next()
    const [first, second] = callers
    if (first === undefined) return Effect.void
    if (!atOnce && second === undefined && underWay.length === 0) {
      first.goAlone()
      return Effect.void
    }
    const statement = sent(callers)
    leave()
    const asked = Effect.suspend(() => many(callers.map(({ call }) => call)))
    return attempt(operation, Effect.catchIf(asked, wasUndone, () => Effect.succeed(new Map<number, A>()))).pipe(
      Effect.onExit((exit) =>
        Effect.ensuring(Effect.sync(() => answerAll(statement, exit)), Effect.sync(() => arrived(statement)))
      )
    )
  })

  const areEnough = () => {
    if (waiting.length < enough) return false
    const keys = new Set<string>()
    for (const each of waiting) {
      if (keys.add(each.key).size === enough) return true
    }
    return false
  }

  /** Whoever went away, or was told that it is too late. */
  const drop = () => {
    waiting = waiting.filter(({ settled }) => !settled)
  }

  const isTime = () => {
    const now = clock.currentTimeMillisUnsafe()
    // One that went alone may wait for a lock for long, which these do not.
    const isWaitedFor = ({ callers, since }: Statement<Call, A>) => callers.length > 0 && now < since + slow
    return underWay.length < maxUnderWay && (areEnough() || !underWay.some(isWaitedFor))
  }

  /** At the end of the turn, with whoever else comes in it. */
  const leave = () => {
    if (closed || departing || waiting.length === 0 || !isTime()) return
    departing = true
    fork(Effect.ignore(Effect.andThen(Effect.yieldNow, send)))
  }

  /** Looks for callers that wait no longer: a timer for each would cost more than to send its call. */
  const watch = Effect.gen(function* () {
    for (let left = unanswered(); left.length > 0; left = unanswered()) {
      yield* untilGathered
      const now = clock.currentTimeMillisUnsafe()
      for (const { fail, until } of left) {
        if (until <= now) fail(late(operation))
      }
      drop()
      leave()
    }
  }).pipe(Effect.ensuring(Effect.sync(() => {
    watched = false
  })))

  const alone = <E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.uninterruptibleMask((restore) => {
      const statement = sent([])
      return Effect.ensuring(restore(call), Effect.sync(() => arrived(statement)))
    })

  const together = <E, R>(
    fiber: Fiber.Fiber<unknown, unknown>,
    call: Call,
    byItself: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | StoreUnavailable, R> => {
    const { left, now, spend } = timing(fiber)
    if (left === 0 || closed) {
      spend()
      return late(operation)
    }
    return Effect.callback((resume) => {
      const settle = () => {
        if (each.settled) return
        each.settled = true
        spend()
      }
      const each: Waiting<Call, A> = {
        key: key(call),
        call,
        until: now + left,
        answer: (answer) => {
          settle()
          resume(answer === undefined ? byItself : Effect.succeed(answer))
        },
        goAlone: () => {
          settle()
          resume(alone(byItself))
        },
        fail: (failure) => {
          settle()
          resume(failure)
        },
        settled: false
      }
      waiting.push(each)
      leave()
      if (!watched) {
        watched = true
        fork(watch)
      }
      return Effect.sync(() => {
        settle()
        drop()
      })
    })
  }

  return <E, R>(call: Call, byItself: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreUnavailable, R> =>
    Effect.withFiber((fiber) =>
      atOnce && underWay.length === 0 && waiting.length === 0 ? alone(byItself) : together(fiber, call, byItself)
    )
})
