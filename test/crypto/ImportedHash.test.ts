// Known answers, made by others: bcrypt's from the test vectors of crypt_blowfish and by libxcrypt, scrypt's by Python's
// hashlib. And every hash that is taken over can be verified: one that could not would fail at its owner's login.
import { assert, describe, it } from "@effect/vitest"
import { hash as bcrypt } from "@node-rs/bcrypt"
import { Effect, Schema } from "effect"
import { randomBytes, scryptSync } from "node:crypto"
import { perform } from "../../src/crypto/HashWork.ts"
import { importedVerification } from "../../src/crypto/ImportedHash.ts"
import { hashProblem } from "../../src/domain/PasswordHash.ts"

const long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

const known: ReadonlyArray<readonly [password: string, hash: string]> = [
  ["U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
  ["U*U*", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"],
  ["U*U*U", "$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"],
  [`${long}chars after 72 are ignored`, "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"],
  [`${long}and so are these`, "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"],
  ["p\u00e4ssw\u00f6rd", "$2y$04$abcdefghijklmnopqrstuuyx2n0Zzopyr9QuYTMCfOJJOj526QVoC"],
  // The 72nd byte is the first half of a character.
  [`${"a".repeat(71)}\u00e9tail`, "$2b$04$abcdefghijklmnopqrstuuoVx8RufeJl2sf6nnK3ltb8OHjZZZsny"],
  // More bytes than fit the one byte in which old implementations counted them.
  [`x${"\u00e9".repeat(200)}`, "$2a$04$abcdefghijklmnopqrstuunt1F6iRePqdLv.sStq15vGl7/EUVfPO"],
  [
    "correct horse battery",
    "$scrypt$ln=15,r=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$iapvgcBlWQDil7lb/8WmjcyKA2pK0pTGV4I1Ky4cop8"
  ],
  [
    "correct horse battery",
    "$scrypt$ln=4,r=32,p=16$MDEyMzQ1Njc4OWFiY2RlZg$GsVkKM48xAddzjN2GNOxCBpEsMmfUY+/EMquDXa4kso"
  ],
  [
    "correct horse battery",
    "$scrypt$ln=14,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$ebnHHTApWa0oNoXTYCCHxLXDaejcvcTRQhZaD1OJNCE"
  ],
  [
    "p\u00e4ssw\u00f6rd",
    "$scrypt$ln=10,r=8,p=16$TmFDbE5hQ2xOYUNsTmFDbA$" +
    "zhZmadracFSBB31Wy3cSjEx8G5qYtldo+bwiO/m8hnLDXhbKll9z2X59++U1dDGUtIzj48M1YVVXlBLtyS9FdA"
  ]
]

const scryptSalt = "MDEyMzQ1Njc4OWFiY2RlZg"
const scryptHash = "ebnHHTApWa0oNoXTYCCHxLXDaejcvcTRQhZaD1OJNCE"

/** As `importedVerification`, and done at once. */
const verifierOf = (phc: string) => {
  const imported = importedVerification(phc)
  return imported === undefined ? undefined : (password: string) => perform(imported(password))
}

const unpadded = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64").replace(/=+$/, "")

describe("importedVerification", () => {
  it("knows the password of each hash, and no other", () => {
    for (const [password, hash] of known) {
      const verify = verifierOf(hash)!
      assert.isTrue(verify(password), hash)
      for (const other of ["", `x${password}`, password.slice(1), password.toUpperCase() + "x"]) {
        assert.isFalse(verify(other), `${hash} ${other}`)
      }
    }
  })

  it.effect.prop(
    "verifies every scrypt hash that is taken over",
    [Schema.Struct({
      password: Schema.String,
      ln: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 })),
      r: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })),
      p: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 18 })),
      saltBytes: Schema.Int.check(Schema.isBetween({ minimum: 8, maximum: 64 })),
      hashBytes: Schema.Int.check(Schema.isBetween({ minimum: 16, maximum: 64 }))
    })],
    ([{ hashBytes, ln, p, password, r, saltBytes }]) =>
      Effect.sync(() => {
        const salt = randomBytes(saltBytes)
        const phc = `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$` +
          unpadded(scryptSync(password, salt, hashBytes, { N: 2 ** ln, r, p }))
        const verify = verifierOf(phc)
        if (r > 32 || p > 16) return assert.isUndefined(verify, phc)
        assert.isTrue(verify!(password), phc)
        assert.isFalse(verify!(`${password}x`), phc)
      }),
    { arbitrary: { runs: 100 } }
  )

  it("fails for no scrypt hash that is taken over, at the edges of its parameters", () => {
    const powers = Array.from({ length: 20 }, (_, n) => n)
    const cheap = powers.flatMap((r) => powers.map((ln) => [ln + 1, r] as const)).filter(([ln, r]) => ln + r <= 17)
    const hashes = cheap.map(([ln, r]) => `$scrypt$ln=${ln},r=${2 ** r},p=1$${scryptSalt}$${scryptHash}`)
    const taken = hashes.filter((phc) => hashProblem(phc) === undefined)
    assert.isAbove(taken.length, 50)
    for (const phc of taken) assert.isFalse(verifierOf(phc)!("a wrong password"), phc)
  })

  it.effect.prop("verifies every hash that bcrypt writes", [Schema.String], ([text]) =>
    Effect.promise(async () => {
      const password = text.toWellFormed().replaceAll("\u0000", "")
      const phc = await bcrypt(password, 4)
      assert.isTrue(verifierOf(phc)!(password), phc)
      assert.isFalse(verifierOf(phc)!(`x${password}`), phc)
    }), { arbitrary: { runs: 50 } })

  it("answers no, and does not fail, at the highest cost that is let in", () => {
    const verify = verifierOf(
      "$scrypt$ln=17,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$ebnHHTApWa0oNoXTYCCHxLXDaejcvcTRQhZaD1OJNCE"
    )!
    assert.isFalse(verify("correct horse battery"))
  })

  it("leaves argon2id, what costs too much and everything else to others", () => {
    for (
      const phc of [
        "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$ebnHHTApWa0oNoXTYCCHxLXDaejcvcTRQhZaD1OJNCE",
        "$2b$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$scrypt$ln=18,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$ebnHHTApWa0oNoXTYCCHxLXDaejcvcTRQhZaD1OJNCE",
        ""
      ]
    ) assert.isUndefined(importedVerification(phc), phc)
  })
})
