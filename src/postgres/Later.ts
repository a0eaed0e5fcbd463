// What need not be written at once is gathered for a moment, written in one go, and once more when the service ends.
import { Effect, Fiber, Latch, Semaphore } from "effect"
import { timing, untilGathered } from "./Query.ts"

const retryAfter = "1 second"
/** Milliseconds that whoever asks for it, or a service that ends, waits for what is written. */
const patience = 1000

/**
 * `write` takes what waits when it begins and leaves what comes meanwhile, which under load would never end. It runs once
 * at a time, and where it fails again a while later.
 */
export const make = Effect.fnUntraced(function* <E>(write: Effect.Effect<void, E>) {
  const some = yield* Latch.make()
  const inTurn = yield* Semaphore.make(1)
  const run = Effect.runForkWith(yield* Effect.context<never>())

  /** Whoever asks may go away meanwhile: what was sent is not sent again because nobody waited for the answer. */
  const written = Effect.suspend(() => Fiber.join(run(inTurn.withPermit(write))))
  const flush = Effect.withFiber((fiber) => {
    const { left, spend } = timing(fiber)
    return written.pipe(
      Effect.timeout(Math.min(left, patience)),
      Effect.ignore,
      Effect.ensuring(Effect.sync(spend))
    )
  })

  yield* Effect.addFinalizer(() => flush)
  yield* some.await.pipe(
    Effect.andThen(untilGathered),
    Effect.andThen(some.close),
    Effect.andThen(written),
    Effect.catch(() => Effect.andThen(Effect.sleep(retryAfter), some.open)),
    Effect.forever,
    Effect.forkScoped
  )

  return {
    /** Something waits. */
    wanted: (): void => {
      some.openUnsafe()
    },
    /** Writes what waits at once, as far as that does not take long. It counts among what its caller waits for. */
    flush
  }
})
