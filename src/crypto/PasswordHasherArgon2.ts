// argon2id on threads of its own. At most `concurrency` hashes run, each thread has at most five more before it, and `queue`
// wait; one more is refused at once, so that a flood of logins costs its own callers and nobody else's memory or time.
import { hash, parseOptions } from "@node-rs/argon2"
import { Context, Effect, Layer, Option, Redacted } from "effect"
import type { Password } from "../domain/Password.ts"
import { argon2Ceiling } from "../domain/PasswordHash.ts"
import { HasherBusy } from "../domain/Unavailable.ts"
import { HashOwner, PasswordHasher } from "../services/PasswordHasher.ts"
import { hashesAtATime, nicenessOn } from "./Concurrency.ts"
import { makeHashThreads, type ThreadLost } from "./HashThreads.ts"
import type { Answer, Work } from "./HashWork.ts"
import { importedVerification } from "./ImportedHash.ts"
import { makeTurns } from "./Turns.ts"

export interface Argon2Options {
  readonly memoryKiB: number
  readonly iterations: number
  readonly parallelism: number
  /** Hashes at a time. */
  readonly concurrency: number
  /** Hashes that may wait for their turn. */
  readonly queue: number
  /** How far the priority of a thread that hashes is lowered, where threads have one. */
  readonly niceness: number
}

/** The parameters that OWASP's Password Storage Cheat Sheet gives for argon2id. */
export const Argon2Options = Context.Reference<Argon2Options>("roomkey/crypto/Argon2Options", {
  defaultValue: () => ({
    memoryKiB: 19_456,
    iterations: 2,
    parallelism: 1,
    concurrency: hashesAtATime(),
    queue: 64,
    niceness: nicenessOn()
  })
})

/** The library's enums, which are declared `const` and so do not exist at run time. */
const argon2id = 2
const version13 = 1

const outputBytes = 32
const saltBytes = 16

const parse = Option.liftThrowable(parseOptions)

/** Whether `phc` is an argon2 hash that `verify` would take on; of any other it says `false`. */
export const isVerifiable = (phc: string): boolean =>
  Option.exists(
    parse(phc),
    (parsed) =>
      parsed.memoryCost <= argon2Ceiling.memoryKiB && parsed.timeCost <= argon2Ceiling.iterations &&
      parsed.parallelism <= argon2Ceiling.parallelism
  )

const lost = (error: ThreadLost) =>
  Effect.andThen(Effect.logError("A password was not hashed", error), Effect.fail(new HasherBusy()))

/** Hashes that a thread is given at once, if so many wait. */
const together = 6

export const layer: Layer.Layer<PasswordHasher> = Layer.effect(
  PasswordHasher,
  Effect.gen(function* () {
    const options = yield* Argon2Options
    const turns = yield* makeTurns({ ...options, together }, yield* makeHashThreads(options))
    const inTurn = <W extends Work>(work: () => W, alone = false): Effect.Effect<Answer<W>, HasherBusy> =>
      HashOwner.pipe(
        Effect.flatMap((owner) => turns(owner, work, { alone }) as Effect.Effect<Answer<W>, HasherBusy | ThreadLost>),
        Effect.catchTags({ ThreadLost: lost })
      )
    const parameters = {
      algorithm: argon2id,
      version: version13,
      outputLen: outputBytes,
      memoryCost: options.memoryKiB,
      timeCost: options.iterations,
      parallelism: options.parallelism
    }
    // On the runtime's own pool: a start does not wait for a thread.
    const nobodys = yield* Effect.promise(() => hash("nobody's password", parameters))

    /** What `hash` answers, in the one spelling that its bytes have: parsing takes longer. */
    const current = new RegExp(
      `^\\$argon2id\\$v=19\\$m=${options.memoryKiB},t=${options.iterations},p=${options.parallelism}` +
        `\\$[A-Za-z0-9+/]{21}[AQgw]\\$[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$`
    )

    const costsMore = (phc: string): boolean =>
      Option.exists(
        parse(phc),
        ({ memoryCost, timeCost }) => memoryCost * timeCost > options.memoryKiB * options.iterations
      )

    const verify = (phc: string, password: Password, alone = false) =>
      inTurn(() => ({ _tag: "Argon2", phc, password: Redacted.value(password) }), alone)

    return PasswordHasher.of({
      hash: (password) => inTurn(() => ({ _tag: "Hash", password: Redacted.value(password), options: parameters })),
      verify: (password, phc) => {
        if (current.test(phc)) return verify(phc, password)
        // Others may take a thousand times as long, and nobody waits behind one.
        const imported = importedVerification(phc)
        if (imported !== undefined) return inTurn(() => imported(Redacted.value(password)), true)
        return isVerifiable(phc) ? verify(phc, password, costsMore(phc)) : Effect.as(verify(nobodys, password), false)
      },
      verifyNothing: (password) => Effect.asVoid(verify(nobodys, password)),
      needsRehash: (phc) =>
        !current.test(phc) && Option.match(parse(phc), {
          onNone: () => true,
          onSome: (parsed) =>
            parsed.algorithm !== argon2id || parsed.version !== version13 || parsed.outputLen < outputBytes ||
            parsed.saltLen < saltBytes || parsed.memoryCost !== options.memoryKiB ||
            parsed.timeCost !== options.iterations || parsed.parallelism !== options.parallelism
        })
    })
  })
)
