import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { getPriority } from "node:os"
import { PasswordHasher } from "../../src/services/PasswordHasher.ts"
import { niceness } from "../support/Niceness.ts"
import * as World from "../support/World.ts"

const configured = getPriority() + 6

if (process.platform === "linux") {
  layer(World.layer({ HASH_NICENESS: String(configured) }), { excludeTestServices: true })("HASH_NICENESS", (it) => {
    it.effect("is how far the threads of hashes give way", () =>
      Effect.gen(function* () {
        const hasher = yield* PasswordHasher
        yield* hasher.hash(Redacted.make("any"))
        assert.include(niceness(), configured)
      }))
  })
}
