import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { getPriority } from "node:os"
import { PasswordHasher } from "../../src/services/PasswordHasher.ts"
import * as World from "../support/World.ts"

const configured = getPriority() + 6

const niceness = (): ReadonlyArray<string | undefined> =>
  readdirSync("/proc/self/task").map((thread) =>
    readFileSync(`/proc/self/task/${thread}/stat`, "latin1").split(") ")[1]?.split(" ")[16]
  )

if (process.platform === "linux") {
  layer(World.layer({ HASH_NICENESS: String(configured) }), { excludeTestServices: true })("HASH_NICENESS", (it) => {
    it.effect("is how far the threads of hashes give way", () =>
      Effect.gen(function* () {
        yield* PasswordHasher
        assert.include(niceness(), String(configured))
      }))
  })
}
