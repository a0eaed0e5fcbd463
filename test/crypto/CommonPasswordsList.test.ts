import { assert, layer } from "@effect/vitest"
import { dictionary } from "@zxcvbn-ts/language-common"
import { Effect } from "effect"
import * as CommonPasswordsList from "../../src/crypto/CommonPasswordsList.ts"
import { CommonPasswords } from "../../src/services/CommonPasswords.ts"

layer(CommonPasswordsList.layer)("CommonPasswordsList", (it) => {
  it.effect("knows the passwords that attackers try first", () =>
    Effect.gen(function* () {
      const common = yield* CommonPasswords
      for (
        const password of [
          "123456",
          "12345678",
          "11111111",
          "password",
          "password1",
          "password123",
          "p@ssw0rd",
          "qwerty123",
          "iloveyou",
          "trustno1",
          "letmein1",
          "football1",
          "admin123"
        ]
      ) {
        assert.isTrue(common.has(password), password)
      }
    }))

  it.effect("knows at least the top 3000 among those long enough to be chosen", () =>
    Effect.gen(function* () {
      const common = yield* CommonPasswords
      const known = dictionary["passwords-common"].filter((password) => password.length >= 8)
      assert.isAtLeast(known.length, 3000)
      assert.isTrue(known.every((password) => common.has(password.toLowerCase())))
    }))

  it.effect("lets pass what nobody tries first", () =>
    Effect.gen(function* () {
      const common = yield* CommonPasswords
      for (const password of ["", "correct horse battery staple", "vq7-tl0-rm9", "constructor", "__proto__"]) {
        assert.isFalse(common.has(password), password)
      }
    }))
})
