// argon2id on native threads. At most `concurrency` hashes run and `queue` wait; one more is refused at once, so that a
// flood of logins costs its own callers and nobody else's memory or time.
import { hash, type ParsedHashOptions, parseOptions, verify } from "@node-rs/argon2"
import { Context, Deferred, Effect, Layer, Metric, Option, Redacted } from "effect"
import { availableParallelism } from "node:os"
import type { Password } from "../domain/Password.ts"
import { HasherBusy } from "../domain/Unavailable.ts"
import { hashQueue, hashRejections } from "../Metrics.ts"
import { PasswordHasher } from "../services/PasswordHasher.ts"

export interface Argon2Options {
  readonly memoryKiB: number
  readonly iterations: number
  readonly parallelism: number
  /** Hashes at a time. */
  readonly concurrency: number
  /** Hashes that may wait for their turn. */
  readonly queue: number
}

/** The parameters that OWASP's Password Storage Cheat Sheet gives for argon2id. */
export const Argon2Options = Context.Reference<Argon2Options>("roomkey/crypto/Argon2Options", {
  defaultValue: () => ({
    memoryKiB: 19_456,
    iterations: 2,
    parallelism: 1,
    concurrency: availableParallelism(),
    queue: 64
  })
})

/** Beyond these a stored hash is somebody's attempt to keep the server busy. */
const ceiling = { memoryKiB: 1_048_576, iterations: 10, parallelism: 16 }

const argon2id = 2

const parse = (phc: string): Option.Option<ParsedHashOptions> => Option.liftThrowable(parseOptions)(phc)

const isAffordable = (parsed: ParsedHashOptions): boolean =>
  parsed.memoryCost <= ceiling.memoryKiB && parsed.timeCost <= ceiling.iterations &&
  parsed.parallelism <= ceiling.parallelism

/** A pool of turns: who waits may leave, who runs keeps its turn until the native work is done. */
const makeTurns = (concurrency: number, queue: number) => {
  let running = 0
  const waiting = new Set<Deferred.Deferred<void>>()
  const report = Effect.suspend(() => Metric.update(hashQueue, running + waiting.size))

  const release = Effect.suspend(() => {
    const [next] = waiting
    if (next === undefined) {
      running--
      return report
    }
    waiting.delete(next)
    return Effect.andThen(Deferred.succeed(next, undefined), report)
  })

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
    return Effect.andThen(report, Deferred.await(turn)).pipe(
      // Interrupted between being called up and taking the turn: pass it on.
      Effect.onInterrupt(() => waiting.delete(turn) ? report : release)
    )
  })

  return <A>(work: () => Promise<A>): Effect.Effect<A, HasherBusy> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(acquire), () => Effect.ensuring(Effect.promise(work), release))
    )
}

export const layer: Layer.Layer<PasswordHasher> = Layer.effect(
  PasswordHasher,
  Effect.gen(function* () {
    const options = yield* Argon2Options
    const inTurn = makeTurns(options.concurrency, options.queue)
    const parameters = {
      algorithm: argon2id,
      memoryCost: options.memoryKiB,
      timeCost: options.iterations,
      parallelism: options.parallelism
    }
    const nobodys = yield* Effect.promise(() => hash("nobody's password", parameters))

    const verifyIn = (phc: string, password: Password) => inTurn(() => verify(phc, Redacted.value(password)))

    return PasswordHasher.of({
      hash: (password) => inTurn(() => hash(Redacted.value(password), parameters)),
      verify: (password, phc) =>
        Option.exists(parse(phc), isAffordable)
          ? verifyIn(phc, password)
          : Effect.as(verifyIn(nobodys, password), false),
      verifyNothing: (password) => Effect.asVoid(verifyIn(nobodys, password)),
      needsRehash: (phc) =>
        Option.match(parse(phc), {
          onNone: () => true,
          onSome: (parsed) =>
            parsed.algorithm !== argon2id || parsed.memoryCost !== options.memoryKiB ||
            parsed.timeCost !== options.iterations || parsed.parallelism !== options.parallelism
        })
    })
  })
)
