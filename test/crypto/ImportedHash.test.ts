// Known answers, made by others: bcrypt's from the test vectors of crypt_blowfish, scrypt's by Python's hashlib.
import { assert, describe, it } from "@effect/vitest"
import { importedVerifier } from "../../src/crypto/ImportedHash.ts"

const long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

const known: ReadonlyArray<readonly [password: string, hash: string]> = [
  ["U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
  ["U*U*", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"],
  ["U*U*U", "$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"],
  [`${long}chars after 72 are ignored`, "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"],
  [`${long}and so are these`, "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"],
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

describe("importedVerifier", () => {
  it("knows the password of each hash, and no other", async () => {
    for (const [password, hash] of known) {
      const verify = importedVerifier(hash)!
      assert.isTrue(await verify(password), hash)
      for (const other of ["", `x${password}`, password.slice(1), password.toUpperCase() + "x"]) {
        assert.isFalse(await verify(other), `${hash} ${other}`)
      }
    }
  })

  it("answers no, and does not fail, at the highest cost that is let in", async () => {
    const verify = importedVerifier(
      "$scrypt$ln=17,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$ebnHHTApWa0oNoXTYCCHxLXDaejcvcTRQhZaD1OJNCE"
    )!
    assert.isFalse(await verify("correct horse battery"))
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
    ) assert.isUndefined(importedVerifier(phc), phc)
  })
})
