import { assert, describe, it, layer } from "@effect/vitest"
import { hash } from "@node-rs/argon2"
import { Cause, Effect, Exit, Fiber, Layer, Redacted, Schema } from "effect"
import { inspect } from "node:util"
import type { Worker } from "node:worker_threads"
import * as PasswordHasherArgon2 from "../../src/crypto/PasswordHasherArgon2.ts"
import { Password } from "../../src/domain/Password.ts"
import type { HasherBusy } from "../../src/domain/Unavailable.ts"
import { PasswordHasher } from "../../src/services/PasswordHasher.ts"

const cheap: PasswordHasherArgon2.Argon2Options = {
  memoryKiB: 64,
  iterations: 1,
  parallelism: 1,
  concurrency: 1,
  queue: 1,
  niceness: 0
}
const hasherWith = (options: Partial<PasswordHasherArgon2.Argon2Options>) =>
  Layer.provide(
    PasswordHasherArgon2.layer,
    Layer.succeed(PasswordHasherArgon2.Argon2Options, { ...cheap, ...options })
  )

const password = Schema.decodeSync(Password)
const fork = Effect.forkChild({ startImmediately: true })

const salt = "2yPjPU6XqEU9cUrMm6n22g"
const output = "HbU6bZ1VeqomUHdX5rMqZU4O41xgY0+WA8ItKtTzEv4"
const phc = (parameters: string, variant = "argon2id", version = "v=19") =>
  `$${variant}$${version}$${parameters}$${salt}$${output}`

const bcrypt = "$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
const scrypt = `$scrypt$ln=4,r=8,p=1$${salt}$${output}`

const unreadable = [
  "",
  "x",
  "$",
  "hunter22",
  "$2x$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
  "$2b$16$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
  `$scrypt$ln=16,r=1,p=1$${salt}$${output}`,
  phc("m=64,t=1,p=1").slice(0, -1),
  `${phc("m=64,t=1,p=1")}=`,
  `${phc("m=64,t=1,p=1")}\n`,
  `\u0000${phc("m=64,t=1,p=1")}`,
  phc("m=64,t=1,p=1", "argon2x"),
  phc("m=64,t=1,p=1", "argon2id", "v=18"),
  phc("m=64,t=1"),
  phc("m=064,t=1,p=1"),
  phc("m=64,t=0,p=1"),
  phc("m=64,t=1,p=0"),
  phc("m=0,t=1,p=1"),
  phc("m=64,t=1,p=9"),
  phc("m=99999999999999999999,t=1,p=1"),
  "$argon2id$v=19$m=64,t=1,p=1",
  `$argon2id$v=19$m=64,t=1,p=1$${salt}`,
  `$argon2id$v=19$m=64,t=1,p=1$YWFh$${output}`,
  `$argon2id$v=19$m=64,t=1,p=1$${salt}$YWFh`
]

layer(hasherWith({}))("PasswordHasherArgon2", (it) => {
  it.effect.prop(
    "verifies the password that it hashed and no other",
    [Schema.String, Schema.String],
    ([one, other]) =>
      Effect.gen(function* () {
        const hasher = yield* PasswordHasher
        const [right, wrong] = [Redacted.make(one.toWellFormed()), Redacted.make(other.toWellFormed())]
        const phc = yield* hasher.hash(right)
        assert.match(phc, /^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
        assert.isTrue(yield* hasher.verify(right, phc))
        assert.strictEqual(yield* hasher.verify(wrong, phc), Redacted.value(right) === Redacted.value(wrong))
      }),
    { arbitrary: { runs: 50 } }
  )

  it.effect("reads every character of a long password", () =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      const stem = "🔑".repeat(255)
      const phc = yield* hasher.hash(password(`${stem}a`))
      assert.isTrue(yield* hasher.verify(password(`${stem}a`), phc))
      assert.isFalse(yield* hasher.verify(password(`${stem}b`), phc))
    }))

  it.effect("takes two spellings of one password for the same", () =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      const phc = yield* hasher.hash(password("cafe\u0301 noir"))
      assert.isTrue(yield* hasher.verify(password("caf\u00e9 noir"), phc))
    }))

  it.effect("salts every hash afresh", () =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      const same = password("correct horse battery staple")
      assert.notStrictEqual(yield* hasher.hash(same), yield* hasher.hash(same))
    }))

  it.effect("verifies hashes of other parameters, argon2i, argon2d and version 16", () =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      for (
        const options of [
          { memoryCost: 128, timeCost: 3, parallelism: 4 },
          { memoryCost: 64, timeCost: 10, parallelism: 1 },
          { algorithm: 0, memoryCost: 64, timeCost: 1 },
          { algorithm: 1, memoryCost: 64, timeCost: 1 },
          { version: 0, memoryCost: 64, timeCost: 1 },
          { outputLen: 64, salt: new Uint8Array(8), memoryCost: 64, timeCost: 1 }
        ]
      ) {
        const imported = yield* Effect.promise(() => hash("imported", options))
        assert.isTrue(yield* hasher.verify(password("imported"), imported), imported)
        assert.isFalse(yield* hasher.verify(password("Imported"), imported), imported)
        assert.isTrue(hasher.needsRehash(imported), imported)
      }
    }))

  it.effect("says false to a hash that it cannot read, and dies of none", () =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      for (const text of unreadable) {
        assert.isFalse(yield* hasher.verify(password("nobody's password"), text), text)
        assert.isTrue(hasher.needsRehash(text), text)
        assert.isFalse(PasswordHasherArgon2.isVerifiable(text), text)
      }
    }))

  it.effect.prop("reads no other string as a hash", [Schema.String], ([text]) =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      assert.isFalse(yield* hasher.verify(password("nobody's password"), text))
    }), { arbitrary: { runs: 50 } })

  it.effect("refuses a hash above the ceiling although the password is right", () =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      const costly = yield* Effect.promise(() => hash("imported", { memoryCost: 64, timeCost: 11 }))
      assert.isFalse(yield* hasher.verify(password("imported"), costly))
      const wide = yield* Effect.promise(() => hash("imported", { memoryCost: 256, timeCost: 1, parallelism: 17 }))
      assert.isFalse(yield* hasher.verify(password("imported"), wide))
      assert.isFalse(yield* hasher.verify(password("imported"), phc("m=4294967295,t=1,p=1")))
      assert.isFalse(yield* hasher.verify(password("imported"), phc("m=64,t=4294967295,p=1")))
    }))

  it.effect("takes a turn for every call, also where there is nothing to compare", () =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      const any = password("any")
      const calls = [
        hasher.hash(any),
        hasher.verify(any, phc("m=64,t=1,p=1")),
        hasher.verify(any, bcrypt),
        hasher.verify(any, scrypt),
        hasher.verify(any, "unreadable"),
        hasher.verify(any, phc("m=4294967295,t=1,p=1")),
        hasher.verifyNothing(any)
      ]
      for (const call of calls) {
        const holding = yield* fork(hasher.hash(any))
        const waiting = yield* fork(hasher.hash(any))
        const error = yield* Effect.flip(call)
        assert.strictEqual(error._tag, "HasherBusy")
        yield* Fiber.joinAll([holding, waiting])
        yield* call
      }
    }))

  it.effect("wants no new hash for its own, and one for every other", () =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      assert.isFalse(hasher.needsRehash(yield* hasher.hash(password("mine"))))
      assert.isFalse(hasher.needsRehash(phc("m=64,t=1,p=1")))
      assert.isFalse(hasher.needsRehash(phc("t=1,m=64,p=1")))
      assert.isFalse(hasher.needsRehash(`$argon2id$v=19$m=64,t=1,p=1$${salt}AAAA$${output}`))
      for (
        const other of [
          bcrypt,
          scrypt,
          phc("m=65,t=1,p=1"),
          phc("m=63,t=1,p=1"),
          phc("m=64,t=2,p=1"),
          phc("m=64,t=1,p=2"),
          phc("m=64,t=1,p=1", "argon2i"),
          phc("m=64,t=1,p=1", "argon2d"),
          phc("m=64,t=1,p=1", "argon2id", "v=16"),
          `$argon2id$m=64,t=1,p=1$${salt}$${output}`,
          `$argon2id$v=19$m=64,t=1,p=1$YWFhYWFhYWE$${output}`,
          `$argon2id$v=19$m=64,t=1,p=1$${salt}$YWFhYWFhYWFhYWFhYWFhYQ`
        ]
      ) {
        assert.isTrue(hasher.needsRehash(other), other)
      }
    }))
})

describe("PasswordHasherArgon2", () => {
  it("takes on hashes up to 1 GiB, 10 passes and 16 lanes, and none beyond", () => {
    for (const text of ["m=1048576,t=10,p=16", "m=8,t=1,p=1"]) {
      assert.isTrue(PasswordHasherArgon2.isVerifiable(phc(text)), text)
    }
    for (const text of ["m=1048577,t=1,p=1", "m=64,t=11,p=1", "m=1024,t=1,p=17", "m=4294967295,t=1,p=1"]) {
      assert.isFalse(PasswordHasherArgon2.isVerifiable(phc(text)), text)
    }
  })

  it.effect("hashes by the OWASP parameters by default", () =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      const made = yield* hasher.hash(password("correct horse battery staple"))
      assert.isTrue(made.startsWith("$argon2id$v=19$m=19456,t=2,p=1$"), made)
      assert.isTrue(yield* hasher.verify(password("correct horse battery staple"), made))
      assert.isTrue(hasher.needsRehash(phc("m=64,t=1,p=1")))
    }).pipe(Effect.provide(PasswordHasherArgon2.layer)))

  it.effect("dies when the library refuses the parameters, before it serves anybody", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(hasherWith({ memoryKiB: 1 }))))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    }))

  it.effect.skipIf("Deno" in globalThis)("tells whose hash was lost to come again", () =>
    Effect.gen(function* () {
      const started = new Promise<Worker>((resolve) => process.once("worker", resolve))
      yield* Effect.gen(function* () {
        const hasher = yield* PasswordHasher
        const hashing = yield* fork(hasher.hash(password("lost")))
        const thread = yield* Effect.promise(() => started)
        yield* Effect.promise(() => thread.terminate())
        assert.strictEqual((yield* Effect.flip(Fiber.join(hashing)))._tag, "HasherBusy")
        assert.match(yield* hasher.hash(password("found")), /^\$argon2id/)
      }).pipe(Effect.provide(hasherWith({ memoryKiB: 65_536 })))
    }))

  it.effect.skipIf("Deno" in globalThis)(
    "asks a thread for several at once, and for what may cost more alone",
    () =>
      Effect.gen(function* () {
        const started = new Promise<Worker>((resolve) => process.once("worker", resolve))
        const hasher = yield* PasswordHasher
        const one = password("one")
        const made = yield* hasher.hash(one)
        const thread = yield* Effect.promise(() => started)
        const asked: Array<number> = []
        const post = thread.postMessage.bind(thread)
        thread.postMessage = (message: ReadonlyArray<unknown>) => {
          asked.push(message.length)
          post(message)
        }
        const calls = [
          ...Array.from({ length: 8 }, () => hasher.verify(one, made)),
          hasher.verifyNothing(one),
          hasher.verify(one, phc("m=64,t=1,p=1", "argon2i")),
          hasher.verify(one, phc("m=65,t=1,p=1")),
          hasher.hash(one),
          hasher.verify(one, "no hash"),
          hasher.verify(one, bcrypt),
          hasher.verify(one, scrypt)
        ]
        yield* Effect.forEach(calls, (call): Effect.Effect<unknown, HasherBusy> => call, { concurrency: "unbounded" })
        assert.deepStrictEqual(asked, [1, 6, 3, 1, 2, 1, 1])
      }).pipe(Effect.provide(hasherWith({ queue: 64 })))
  )

  it.effect("shows no password where a call is printed", () =>
    Effect.gen(function* () {
      const hasher = yield* PasswordHasher
      const secret = "xyzzy-plugh-xyzzy"
      const exit = yield* Effect.exit(
        Effect.all([hasher.hash(password(secret)), hasher.verifyNothing(password(secret))], { concurrency: 2 })
      )
      const text = inspect(exit, { depth: Infinity, showHidden: true }) + JSON.stringify(exit)
      assert.include(text, "HasherBusy")
      assert.notInclude(text, secret)
    }).pipe(Effect.provide(hasherWith({ queue: 0 }))))
})
