import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schedule, Scope } from "effect"
import { execFileSync } from "node:child_process"
import { getPriority } from "node:os"
import type { Worker } from "node:worker_threads"
import { makeHashThreads, ThreadLost } from "../../src/crypto/HashThreads.ts"
import type { Hashing } from "../../src/crypto/HashWork.ts"
import { nodePath } from "../e2e/support/Process.ts"
import { niceness } from "../support/Niceness.ts"

const hashing = (memoryCost: number): Hashing => ({ _tag: "Hash", password: "x", options: { memoryCost, timeCost: 1 } })

/** A niceness by which the threads of this test are known among the others of the process. */
const ours = getPriority() + 7

const onLinux = process.platform === "linux"

const threads = (): number => niceness().filter((nice) => nice === ours).length

const until = (condition: () => boolean) =>
  Effect.repeat(Effect.sync(condition), { until: (holds) => holds, schedule: Schedule.spaced("5 millis") })

/** A scope that a test closes when it likes, and that is closed in any case. */
const closed = Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))

/** The beginning of a program of its own. */
const pool = `
  import { Effect, Scope } from "effect"
  import { makeHashThreads } from ${JSON.stringify(new URL("../../src/crypto/HashThreads.ts", import.meta.url).href)}
  const perform = await Effect.runPromise(Scope.provide(makeHashThreads({ niceness: ${ours} }), Scope.makeUnsafe()))`

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

  describe.runIf(onLinux)("on Linux", () => {
    it.live("has as many threads as were wanted at once, gives way with them alone, and ends them", () =>
      Effect.gen(function* () {
        const scope = yield* closed
        const perform = yield* Scope.provide(makeHashThreads({ niceness: ours }), scope)
        const priority = getPriority()
        for (let time = 0; time < 3; time++) yield* Effect.promise(() => perform(hashing(64)))
        assert.strictEqual(threads(), 1)
        const both = () => Effect.promise(() => Promise.all([perform(hashing(64)), perform(hashing(64))]))
        yield* both()
        yield* both()
        assert.strictEqual(threads(), 2)
        assert.strictEqual(getPriority(), priority)
        yield* Scope.close(scope, Exit.void)
        yield* until(() => threads() === 0)
      }).pipe(Effect.scoped))

    it("leaves them no less nice than the process, however that was started", () => {
      const script = `${pool}
        import { readdirSync, readFileSync } from "node:fs"
        await perform(${JSON.stringify(hashing(64))})
        const stats = readdirSync("/proc/self/task").map((thread) =>
          readFileSync("/proc/self/task/" + thread + "/stat", "latin1").split(") ")[1].split(" ")[16])
        console.log([...new Set(stats)].join())`
      const nice = ours + 2
      const args = ["-n", String(nice - getPriority()), nodePath, "--input-type=module", "--eval", script]
      assert.strictEqual(execFileSync("nice", args, { encoding: "utf8" }), `${nice}\n`)
    })
  })

  it.live("answers what is under way when it ends, and what comes later, and keeps no thread", () =>
    Effect.gen(function* () {
      const scope = yield* closed
      const perform = yield* Scope.provide(makeHashThreads({ niceness: ours }), scope)
      const underWay = perform(hashing(64))
      yield* Scope.close(scope, Exit.void)
      for (const phc of yield* Effect.promise(() => Promise.all([underWay, perform(hashing(64))]))) {
        assert.match(phc, /^\$argon2id/)
      }
      if (onLinux) yield* until(() => threads() === 0)
    }).pipe(Effect.scoped))

  it("says so when no thread can be started", () => {
    const script = `${pool}
      console.log(await perform(${
      JSON.stringify(hashing(64))
    }).catch(({ constructor, message }) => constructor.name + message))`
    const args = ["--permission", "--allow-fs-read=*", "--allow-addons", "--input-type=module", "--eval", script]
    const said = execFileSync(nodePath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
    assert.match(said, /^ThreadLost.*could not be started/)
  })

  describe.skipIf("Deno" in globalThis)("a thread", () => {
    /** The first thread that this starts. */
    const started = Effect.gen(function* () {
      const perform = yield* makeHashThreads({ niceness: 0 })
      const worker = new Promise<Worker>((resolve) => process.once("worker", resolve))
      const first = perform(hashing(64))
      return { first, perform, worker: yield* Effect.promise(() => worker) }
    })

    it.live("that is lost fails its work, and another takes its place", () =>
      Effect.gen(function* () {
        const { first, perform, worker } = yield* started
        yield* Effect.promise(() => worker.terminate())
        const error = yield* Effect.flip(Effect.tryPromise(() => first))
        assert.instanceOf(error.cause, ThreadLost)
        assert.match(yield* Effect.promise(() => perform(hashing(64))), /^\$argon2id/)
      }).pipe(Effect.scoped))

    it.live("that is lost while it is free is not asked any more", () =>
      Effect.gen(function* () {
        const { first, perform, worker } = yield* started
        yield* Effect.promise(() => first)
        yield* Effect.promise(() => worker.terminate())
        assert.match(yield* Effect.promise(() => perform(hashing(64))), /^\$argon2id/)
      }).pipe(Effect.scoped))

    it.live("is believed nothing but the answer to what it was asked", () =>
      Effect.gen(function* () {
        const { first, perform, worker } = yield* started
        const phc = yield* Effect.promise(() => first)
        const foreign = [{ id: 1, value: true }, { id: "1", value: true }, { "watch:import": [] }, "x", undefined, null]
        for (const message of foreign) worker.emit("message", message)
        const wrong = perform({ _tag: "Argon2", password: "y", phc })
        for (const message of foreign) worker.emit("message", message)
        const right = perform({ _tag: "Argon2", password: "x", phc })
        assert.deepEqual(yield* Effect.promise(() => Promise.all([wrong, right])), [false, true])
      }).pipe(Effect.scoped))
  })
})
