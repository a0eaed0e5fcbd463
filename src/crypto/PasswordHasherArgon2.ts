// argon2id on native threads. At most `concurrency` hashes run and `queue` wait; one more is refused at once, so that a
// flood of logins costs its own callers and nobody else's memory or time.
import { hash, type ParsedHashOptions, parseOptions, verify } from "@node-rs/argon2"
import { Context, Effect, Layer, Option, Redacted } from "effect"
import { availableParallelism } from "node:os"
import type { Password } from "../domain/Password.ts"
import { PasswordHasher } from "../services/PasswordHasher.ts"
import { makeTurns } from "./Turns.ts"

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

/** Beyond these a stored hash is somebody's attempt to keep the server busy, or to have it killed for its memory. */
const ceiling = { memoryKiB: 1_048_576, iterations: 10, parallelism: 16 }

/** The library's enums, which are declared `const` and so do not exist at run time. */
const argon2id = 2
const version13 = 1

const outputBytes = 32
const saltBytes = 16

const parse = (phc: string): Option.Option<ParsedHashOptions> => Option.liftThrowable(parseOptions)(phc)

/** Whether `phc` is an argon2 hash that `verify` would take on; of any other it says `false`. */
export const isVerifiable = (phc: string): boolean =>
  Option.exists(
    parse(phc),
    (parsed) =>
      parsed.memoryCost <= ceiling.memoryKiB && parsed.timeCost <= ceiling.iterations &&
      parsed.parallelism <= ceiling.parallelism
  )

export const layer: Layer.Layer<PasswordHasher> = Layer.effect(
  PasswordHasher,
  Effect.gen(function* () {
    const options = yield* Argon2Options
    const inTurn = makeTurns(options.concurrency, options.queue)
    const parameters = {
      algorithm: argon2id,
      version: version13,
      outputLen: outputBytes,
      memoryCost: options.memoryKiB,
      timeCost: options.iterations,
      parallelism: options.parallelism
    }
    const nobodys = yield* Effect.promise(() => hash("nobody's password", parameters))

    const verifyIn = (phc: string, password: Password) => inTurn(() => verify(phc, Redacted.value(password)))

    return PasswordHasher.of({
      hash: (password) => inTurn(() => hash(Redacted.value(password), parameters)),
      verify: (password, phc) =>
        isVerifiable(phc) ? verifyIn(phc, password) : Effect.as(verifyIn(nobodys, password), false),
      verifyNothing: (password) => Effect.asVoid(verifyIn(nobodys, password)),
      needsRehash: (phc) =>
        Option.match(parse(phc), {
          onNone: () => true,
          onSome: (parsed) =>
            parsed.algorithm !== argon2id || parsed.version !== version13 || parsed.outputLen < outputBytes ||
            parsed.saltLen < saltBytes || parsed.memoryCost !== options.memoryKiB ||
            parsed.timeCost !== options.iterations || parsed.parallelism !== options.parallelism
        })
    })
  })
)
