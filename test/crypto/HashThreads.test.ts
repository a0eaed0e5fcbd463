import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schedule, Scope } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { getPriority } from "node:os"
import { makeHashThreads } from "../../src/crypto/HashThreads.ts"
import type { Hashing } from "../../src/crypto/HashWork.ts"

const hashing = (memoryCost: number): Hashing => ({ _tag: "Hash", password: "x", options: { memoryCost, timeCost: 1 } })

/** A niceness by which the threads of this test are known among the others of the process. */
const ours = 7

/** How nice each thread of this process is. */
const niceness = (): ReadonlyArray<number> =>
  readdirSync("/proc/self/task").flatMap((thread) => {
    try {
      const stat = readFileSync(`/proc/self/task/${thread}/stat`, "latin1")
      return [Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16])]
    } catch {
      return []
    }
  })

const threads = (nice = ours): number => niceness().filter((of) => of === nice).length

const until = (condition: () => boolean) =>
  Effect.repeat(Effect.sync(condition), { until: (holds) => holds, schedule: Schedule.spaced("5 millis") })

describe("HashThreads", () => {
  it.live("answers what was asked, and what went wrong, on the same thread", () =>
    Effect.gen(function* () {
      const perform = yield* makeHashThreads({ niceness: 0 })
      const phc = yield* Effect.promise(() => perform(hashing(64)))
      const verify = (password: string) => Effect.promise(() => perform({ _tag: "Argon2", password, phc }))
      assert.isTrue(yield* verify("x"))
      const error = yield* Effect.flip(Effect.tryPromise(() => perform(hashing(1))))
      assert.match(String(error.cause), /memory/i)
      assert.isFalse(yield* verify("y"))
    }).pipe(Effect.scoped))

  describe.runIf(process.platform === "linux" && getPriority() < ours)("on Linux", () => {
    it.live("has as many threads as were wanted at once, gives way with them alone, and ends them", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const perform = yield* Scope.provide(makeHashThreads({ niceness: ours }), scope)
        const before = threads(getPriority())
        for (let time = 0; time < 3; time++) yield* Effect.promise(() => perform(hashing(64)))
        assert.strictEqual(threads(), 1)
        const both = () => Effect.promise(() => Promise.all([perform(hashing(64)), perform(hashing(64))]))
        yield* both()
        yield* both()
        assert.strictEqual(threads(), 2)
        assert.isAtLeast(threads(getPriority()), before)
        yield* Scope.close(scope, Exit.void)
        yield* until(() => threads() === 0)
      }))

    it.live("leaves them no less nice than the process", () =>
      Effect.gen(function* () {
        const perform = yield* makeHashThreads({ niceness: getPriority() - 1 })
        yield* Effect.promise(() => perform(hashing(64)))
        assert.strictEqual(threads(getPriority() - 1), 0)
      }).pipe(Effect.scoped))
  })

  it.live("fails what is under way when it ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const perform = yield* Scope.provide(makeHashThreads({ niceness: 0 }), scope)
      const underWay = perform(hashing(64)).then(() => "done", String)
      yield* Scope.close(scope, Exit.void)
      assert.match(yield* Effect.promise(() => underWay), /ended/)
    }))
})
