// Which hashes are taken over: what three algorithms write, at a bearable cost, and nothing else.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { hashProblem, PasswordHash } from "../../src/domain/PasswordHash.ts"

const salt = "MDEyMzQ1Njc4OWFiY2RlZg"
const hash = "ebnHHTApWa0oNoXTYCCHxLXDaejcvcTRQhZaD1OJNCE"
const digest = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

const good = [
  `$argon2id$v=19$m=19456,t=2,p=1$${salt}$${hash}`,
  `$argon2id$v=19$m=1048576,t=10,p=16$${salt}$${hash}`,
  `$2a$04$${digest}`,
  `$2b$15$${digest}`,
  `$2y$10$${digest}`,
  `$scrypt$ln=14,r=8,p=1$${salt}$${hash}`,
  `$scrypt$ln=17,r=8,p=4$${salt}$${hash}`,
  `$scrypt$ln=15,r=1,p=1$${salt}$${hash}`,
  `$scrypt$ln=1,r=32,p=16$${salt}$${hash}`
]

const tooCostly = [
  `$argon2id$v=19$m=1048577,t=1,p=1$${salt}$${hash}`,
  `$argon2id$v=19$m=64,t=11,p=1$${salt}$${hash}`,
  `$argon2id$v=19$m=1024,t=1,p=17$${salt}$${hash}`,
  `$argon2id$v=19$m=9999999999,t=9999999999,p=1$${salt}$${hash}`,
  `$2b$16$${digest}`,
  `$2b$99$${digest}`,
  `$scrypt$ln=18,r=2,p=1$${salt}$${hash}`,
  `$scrypt$ln=17,r=9,p=1$${salt}$${hash}`,
  `$scrypt$ln=17,r=8,p=5$${salt}$${hash}`,
  `$scrypt$ln=4,r=1,p=17$${salt}$${hash}`,
  `$scrypt$ln=1,r=33,p=1$${salt}$${hash}`,
  `$scrypt$ln=1,r=524288,p=1$${salt}$${hash}`,
  `$scrypt$ln=9999999999,r=9999999999,p=9999999999$${salt}$${hash}`
]

const notOne = [
  "",
  "$",
  "correct horse battery",
  `$argon2i$v=19$m=64,t=1,p=1$${salt}$${hash}`,
  `$argon2d$v=19$m=64,t=1,p=1$${salt}$${hash}`,
  `$argon2id$v=16$m=64,t=1,p=1$${salt}$${hash}`,
  `$argon2id$m=64,t=1,p=1$${salt}$${hash}`,
  `$argon2id$v=19$t=1,m=64,p=1$${salt}$${hash}`,
  `$argon2id$v=19$m=64,t=1,p=1,data=x$${salt}$${hash}`,
  `$argon2id$v=19$m=+64,t=1,p=1$${salt}$${hash}`,
  `$argon2id$v=19$m=064,t=1,p=1$${salt}$${hash}`,
  `$argon2id$v=19$m=6e4,t=1,p=1$${salt}$${hash}`,
  `$argon2id$v=19$m=7,t=1,p=1$${salt}$${hash}`,
  `$argon2id$v=19$m=64,t=1,p=1$${salt}$${hash}$`,
  `$argon2id$v=19$m=64,t=1,p=1$YWFh$${hash}`,
  `$argon2id$v=19$m=64,t=1,p=1$${salt}$YWFh`,
  `$argon2id$v=19$m=64,t=1,p=1$${salt}$${hash}=`,
  `$argon2id$v=19$m=64,t=1,p=1$${salt}$${hash.slice(0, -1)}F`,
  `$argon2id$v=19$m=64,t=1,p=1$${salt.slice(0, -1)}h$${hash}`,
  `$argon2id$v=19$m=64,t=1,p=1$${salt}$${hash.slice(0, -2)}`,
  `$2$10$${digest}`,
  `$2x$10$${digest}`,
  `$2b$3$${digest}`,
  `$2b$03$${digest}`,
  `$2b$+4$${digest}`,
  `$2b$10$${digest}x`,
  `$2b$10$${digest.slice(1)}`,
  `$2b$10$${digest.slice(1)}+`,
  `$2b$10$${digest}\n`,
  `$2b$10$${digest}$`,
  `$scrypt$ln=14,r=8$${salt}$${hash}`,
  `$scrypt$N=16384,r=8,p=1$${salt}$${hash}`,
  `$scrypt$ln=0,r=8,p=1$${salt}$${hash}`,
  `$scrypt$ln=14,r=8,p=1$$${hash}`,
  // scrypt is defined for N < 2^(16 r).
  `$scrypt$ln=16,r=1,p=1$${salt}$${hash}`,
  ` $2b$10$${digest}`,
  `\u0000$2b$10$${digest}`,
  `$2b$10$${"\u{1d7d8}".repeat(53)}`,
  `$pbkdf2-sha256$i=1000$${salt}$${hash}`,
  `$argon2id$v=19$m=64,t=1,p=1$${salt}$${"A".repeat(600)}`
]

describe("PasswordHash", () => {
  it("is what argon2id, bcrypt and scrypt write", () => {
    for (const phc of good) assert.isUndefined(hashProblem(phc), phc)
  })

  it("is not one that costs too much", () => {
    for (const phc of tooCostly) assert.match(hashProblem(phc) ?? "", /costs less/, phc)
  })

  it("is nothing else", () => {
    for (const phc of notOne) assert.match(hashProblem(phc) ?? "", /Expected a hash by/, phc)
  })

  it("is not one that was cut short anywhere, or has anything behind it", () => {
    for (const phc of good) {
      for (let length = 0; length < phc.length; length++) {
        const cut = phc.slice(0, length)
        // A shorter digest may be a digest too; then it says so by its own length.
        if (hashProblem(cut) === undefined) assert.isBelow(phc.length - length, 30, cut)
      }
      for (const more of [" ", "$", "=", "\n", "$x"]) assert.isDefined(hashProblem(phc + more), phc + more)
    }
  })

  it("is bcrypt's in the one spelling that bcrypt writes: no bits where no byte ends", () => {
    const taken = (spelling: (character: string) => string) =>
      Array.from("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").filter((character) =>
        hashProblem(`$2b$10$${spelling(character)}`) === undefined
      ).join("")
    assert.strictEqual(taken((character) => digest.slice(0, 21) + character + digest.slice(22)), ".Oeu")
    assert.strictEqual(taken((character) => digest.slice(0, 52) + character), ".CGKOSWaeimquy26")
  })

  it.effect("keeps the hash out of what says why it was refused", () =>
    Effect.gen(function* () {
      for (const phc of [...tooCostly, ...notOne.slice(3)]) {
        const error = yield* Effect.flip(Schema.decodeEffect(PasswordHash)(phc))
        assert.notInclude(String(error), phc.slice(-20))
      }
    }))
})
