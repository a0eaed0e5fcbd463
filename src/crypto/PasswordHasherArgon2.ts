// argon2id on native threads. At most `concurrency` hashes run and `queue` wait; one more is refused at once, so that a
// flood of logins costs its own callers and nobody else's memory or time.
import { hash, type ParsedHashOptions, parseOptions, verify } from "@node-rs/argon2"
import { Context, Effect, Layer, Option, Redacted } from "effect"
import type { Password } from "../domain/Password.ts"
import { argon2Ceiling } from "../domain/PasswordHash.ts"
import { HashOwner, PasswordHasher } from "../services/PasswordHasher.ts"
import { hashesAtATime } from "./Concurrency.ts"
import { importedVerifier } from "./ImportedHash.ts"
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
    concurrency: hashesAtATime(),
    queue: 64
  })
})

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
      parsed.memoryCost <= argon2Ceiling.memoryKiB && parsed.timeCost <= argon2Ceiling.iterations &&
      parsed.parallelism <= argon2Ceiling.parallelism
  )

export const layer: Layer.Layer<PasswordHasher> = Layer.effect(
  PasswordHasher,
  Effect.gen(function* () {
    const options = yield* Argon2Options
    const turns = makeTurns(options.concurrency, options.queue)
    const inTurn = <A>(work: () => Promise<A>) => Effect.flatMap(HashOwner, (owner) => turns(owner, work))
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
      verify: (password, phc) => {
        const imported = importedVerifier(phc)
        if (imported !== undefined) return inTurn(() => imported(Redacted.value(password)))
        return isVerifiable(phc) ? verifyIn(phc, password) : Effect.as(verifyIn(nobodys, password), false)
      },
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
