import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schedule, Scope } from "effect"
import { execFileSync } from "node:child_process"
import { getPriority } from "node:os"
import type { Worker } from "node:worker_threads"
import { makeHashThreads, type ThreadLost } from "../../src/crypto/HashThreads.ts"
import type { Answer, Hashing, Work } from "../../src/crypto/HashWork.ts"
import type { Perform } from "../../src/crypto/Turns.ts"
import { nodePath } from "../e2e/support/Process.ts"
import { niceness } from "../support/Niceness.ts"

const hashing = (memoryCost: number): Hashing => ({ _tag: "Hash", password: "x", options: { memoryCost, timeCost: 1 } })

type Threads = Perform<() => Work, Answer<Work>, ThreadLost>

/** Asked alone, now. */
const ask = <W extends Work>(threads: Threads, work: W): Promise<Answer<W>> => {
  const { promise, resolve } = Promise.withResolvers<Effect.Effect<Answer<Work>, ThreadLost>>()
  threads([{ work: () => work, settle: resolve }], () => undefined)
  return promise.then(Effect.runPromise) as Promise<Answer<W>>
}

/** A niceness by which the threads of this test are known among the others of the process. */
const ours = getPriority() + 7

const onLinux = process.platform === "linux"

const threadCount = (): number => niceness().filter((nice) => nice === ours).length

const until = (condition: () => boolean) =>
  Effect.repeat(Effect.sync(condition), { until: (holds) => holds, schedule: Schedule.spaced("5 millis") })

/** A scope that a test closes when it likes, and that is closed in any case. */
const closed = Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))

/** The beginning of a program of its own. */
const pool = `
  import { Effect, Scope } from "effect"
  import { makeHashThreads } from ${JSON.stringify(new URL("../../src/crypto/HashThreads.ts", import.meta.url).href)}
  const threads = await Effect.runPromise(Scope.provide(makeHashThreads({ niceness: ${ours} }), Scope.makeUnsafe()))
  const perform = (work) => new Promise((settle) => threads([{ work: () => work, settle }], () => undefined))
    .then(Effect.runPromise)`

describe("HashThreads", () => {
  it.live("answers what was asked, and what went wrong, on the same thread", () =>
    Effect.gen(function* () {
      const threads = yield* makeHashThreads({ niceness: 0 })
      const phc = yield* Effect.promise(() => ask(threads, hashing(64)))
      const verify = (password: string) => Effect.promise(() => ask(threads, { _tag: "Argon2", password, phc }))
      assert.isTrue(yield* verify("x"))
      const error = yield* Effect.flip(Effect.tryPromise(() => ask(threads, hashing(1))))
      assert.match(String(error.cause), /memory/i)
      assert.isFalse(yield* verify("y"))
    }).pipe(Effect.scoped))

  it.live("does what it is asked at once one after another, is free before it answers, and answers all together", () =>
    Effect.gen(function* () {
      const threads = yield* makeHashThreads({ niceness: 0 })
      const seen: Array<string> = []
      const { promise, resolve } = Promise.withResolvers<void>()
      const job = (memoryCost: number, last = false) => ({
        work: () => hashing(memoryCost),
        settle: (outcome: Effect.Effect<Answer<Work>, ThreadLost>) => {
          seen.push(Exit.isSuccess(Effect.runSyncExit(outcome)) ? "hashed" : "died")
          if (last) resolve()
        }
      })
      threads([job(64), job(1), job(64, true)], () => seen.push("free"))
      yield* Effect.promise(() => promise)
      assert.deepStrictEqual(seen, ["free", "hashed", "died", "hashed"])
    }).pipe(Effect.scoped))

  it.live("answers what is done when the rest takes long", () =>
    Effect.gen(function* () {
      const threads = yield* makeHashThreads({ niceness: 0 })
      const slow: Hashing = { _tag: "Hash", password: "x", options: { memoryCost: 65_536, timeCost: 8 } }
      const seen: Array<string> = []
      const job = (name: string, done: () => void) => ({
        work: () => slow,
        settle: () => {
          seen.push(name)
          done()
        }
      })
      yield* Effect.callback<void>((resume) =>
        threads([job("first", () => undefined), job("second", () => resume(Effect.void))], () => seen.push("free"))
      )
      assert.deepStrictEqual(seen, ["first", "free", "second"])
    }).pipe(Effect.scoped))

  describe.runIf(onLinux)("on Linux", () => {
    it.live("has as many threads as were wanted at once, gives way with them alone, and ends them", () =>
      Effect.gen(function* () {
        const scope = yield* closed
        const threads = yield* Scope.provide(makeHashThreads({ niceness: ours }), scope)
        const priority = getPriority()
        for (let time = 0; time < 3; time++) yield* Effect.promise(() => ask(threads, hashing(64)))
        assert.strictEqual(threadCount(), 1)
        const both = () => Effect.promise(() => Promise.all([ask(threads, hashing(64)), ask(threads, hashing(64))]))
        yield* both()
        yield* both()
        assert.strictEqual(threadCount(), 2)
        assert.strictEqual(getPriority(), priority)
        yield* Scope.close(scope, Exit.void)
        yield* until(() => threadCount() === 0)
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
      const threads = yield* Scope.provide(makeHashThreads({ niceness: ours }), scope)
      const underWay = ask(threads, hashing(64))
      yield* Scope.close(scope, Exit.void)
      for (const phc of yield* Effect.promise(() => Promise.all([underWay, ask(threads, hashing(64))]))) {
        assert.match(phc, /^\$argon2id/)
      }
      if (onLinux) yield* until(() => threadCount() === 0)
    }).pipe(Effect.scoped))

  it("says so when no thread can be started", () => {
    const script = `${pool}
      console.log(await perform(${JSON.stringify(hashing(64))}).catch(({ _tag, cause }) => _tag + cause))`
    const args = ["--permission", "--allow-fs-read=*", "--allow-addons", "--input-type=module", "--eval", script]
    const said = execFileSync(nodePath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
    assert.match(said, /^ThreadLost.*permission/i)
  })

  describe.skipIf("Deno" in globalThis)("a thread", () => {
    /** The first thread that this starts. */
    const started = Effect.gen(function* () {
      const threads = yield* makeHashThreads({ niceness: 0 })
      const worker = new Promise<Worker>((resolve) => process.once("worker", resolve))
      const first = ask(threads, hashing(64))
      return { first, threads, worker: yield* Effect.promise(() => worker) }
    })

    it.live("that is lost fails its work, and another takes its place", () =>
      Effect.gen(function* () {
        const { first, threads, worker } = yield* started
        yield* Effect.promise(() => worker.terminate())
        const error = yield* Effect.flip(Effect.tryPromise(() => first))
        assert.include(error.cause, { _tag: "ThreadLost" })
        assert.match(yield* Effect.promise(() => ask(threads, hashing(64))), /^\$argon2id/)
      }).pipe(Effect.scoped))

    it.live("that is lost before it has done all fails the rest of it, once, and is free once", () =>
      Effect.gen(function* () {
        const { first, threads, worker } = yield* started
        yield* Effect.promise(() => first)
        const slow: Hashing = { _tag: "Hash", password: "x", options: { memoryCost: 65_536, timeCost: 8 } }
        const seen: Array<string> = []
        const { promise, resolve } = Promise.withResolvers<void>()
        const job = (name: string) => ({
          work: () => slow,
          settle: (outcome: Effect.Effect<Answer<Work>, ThreadLost>) => {
            seen.push(Exit.isSuccess(Effect.runSyncExit(outcome)) ? name : `${name} lost`)
            if (name === "one") void worker.terminate().then(() => resolve())
          }
        })
        threads([job("one"), job("two"), job("three")], () => seen.push("free"))
        yield* Effect.promise(() => promise)
        yield* until(() => seen.length >= 4)
        assert.deepStrictEqual(seen, ["one", "free", "two lost", "three lost"])
      }).pipe(Effect.scoped))

    it.live("that is lost while it is free is not asked any more", () =>
      Effect.gen(function* () {
        const { first, threads, worker } = yield* started
        yield* Effect.promise(() => first)
        yield* Effect.promise(() => worker.terminate())
        assert.match(yield* Effect.promise(() => ask(threads, hashing(64))), /^\$argon2id/)
      }).pipe(Effect.scoped))

    it.live("is believed nothing but the answer to what it was asked", () =>
      Effect.gen(function* () {
        const { first, threads, worker } = yield* started
        const phc = yield* Effect.promise(() => first)
        const replies = [{ id: 1, value: true }, { id: "1", value: true }, { "watch:import": [] }, "x", undefined, null]
        const foreign = [...replies, [], ...replies.map((reply) => [reply]), replies]
        for (const message of foreign) worker.emit("message", message)
        const wrong = ask(threads, { _tag: "Argon2", password: "y", phc })
        for (const message of foreign) worker.emit("message", message)
        const right = ask(threads, { _tag: "Argon2", password: "x", phc })
        for (const message of foreign) worker.emit("message", message)
        assert.deepEqual(yield* Effect.promise(() => Promise.all([wrong, right])), [false, true])
      }).pipe(Effect.scoped))
  })
})
