import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Cause, Effect, Exit, Fiber, Latch, Metric, Scheduler, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { makeTurns, type Perform } from "../../src/crypto/Turns.ts"
import type { HasherBusy } from "../../src/domain/Unavailable.ts"
import { hashQueue, hashRejections } from "../../src/Metrics.ts"

/** Work that is done when the test says so. */
const makeJob = () => {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const started = Latch.makeUnsafe(false)
  let starts = 0
  return {
    work: () => {
      starts++
      started.openUnsafe()
      return promise
    },
    finish: () => resolve("done"),
    fail: () => reject(new Error("out of memory")),
    started: started.await,
    starts: () => starts
  }
}

/** One after another, each answered as soon as it is done. */
const perform: Perform<() => Promise<unknown>, unknown, never> = ([turn, ...others], free) => {
  const settle = (outcome: Effect.Effect<unknown>) => {
    if (others.length === 0) free()
    turn!.settle(outcome)
    if (others.length > 0) perform(others, free)
  }
  turn!.work().then((value) => settle(Effect.succeed(value)), (error) => settle(Effect.die(error)))
}

const turns = (concurrency: number, queue: number, together = 1) => makeTurns({ concurrency, queue, together }, perform)

const isBusy = (exit: Exit.Exit<unknown, HasherBusy>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => Cause.isFailReason(reason) && reason.error._tag === "HasherBusy")

const fork = Effect.forkChild({ startImmediately: true })

/** Other fibers run, and may interrupt this one, after every few of its steps (below three it would only yield). */
const stepByStep = (steps: number) => Effect.provideService(Scheduler.MaxOpsBeforeYield, steps)

const withOwnMetrics = Effect.provideServiceEffect(Metric.MetricRegistry, Effect.sync(() => new Map()))

describe("Turns", () => {
  it.effect("runs as many at once as it may, and the others in the order in which they came", () =>
    Effect.gen(function* () {
      const inTurn = yield* turns(2, 3)
      const jobs = Array.from({ length: 5 }, makeJob)
      const fibers = yield* Effect.forEach(jobs, (job) => fork(inTurn("one", job.work)))
      const started = () => jobs.map((job) => job.starts()).join("")
      assert.strictEqual(started(), "11000")
      jobs[1]!.finish()
      yield* jobs[2]!.started
      assert.strictEqual(started(), "11100")
      jobs[0]!.finish()
      yield* jobs[3]!.started
      assert.strictEqual(started(), "11110")
      for (const job of jobs) job.finish()
      assert.deepStrictEqual(yield* Fiber.joinAll(fibers), jobs.map(() => "done"))
      assert.strictEqual(started(), "11111")
    }))

  it.effect("refuses the one that finds the queue full at once, counts it, and disturbs nobody", () =>
    Effect.gen(function* () {
      const inTurn = yield* turns(1, 2)
      const jobs = Array.from({ length: 3 }, makeJob)
      const fibers = yield* Effect.forEach(jobs, (job) => fork(inTurn("one", job.work)))
      const refused = makeJob()
      const fiber = yield* fork(inTurn("one", refused.work))
      const exit = fiber.pollUnsafe()
      assert.isTrue(exit !== undefined && isBusy(exit))
      assert.strictEqual(refused.starts(), 0)
      assert.strictEqual((yield* Metric.value(hashRejections)).count, 1)
      assert.strictEqual((yield* Metric.value(hashQueue)).value, 3)
      for (const job of jobs) job.finish()
      yield* Fiber.joinAll(fibers)
      assert.strictEqual((yield* Metric.value(hashQueue)).value, 0)
    }).pipe(withOwnMetrics))

  it.effect("calls owners in turn, however many wait for one of them", () =>
    Effect.gen(function* () {
      const inTurn = yield* turns(1, 9, 6)
      const order: Array<string> = []
      const job = (name: string) => () => Promise.resolve().then(() => order.push(name))
      const first = makeJob()
      const running = yield* fork(inTurn("flood", first.work))
      const names = ["flood 1", "flood 2", "flood 3", "ada 1", "ada 2", "bob 1", "flood 4"]
      const fibers = yield* Effect.forEach(names, (name) => fork(inTurn(name.split(" ")[0]!, job(name))))
      first.finish()
      yield* Fiber.join(running)
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(order, ["flood 1", "ada 1", "bob 1", "flood 2", "ada 2", "flood 3", "flood 4"])
    }))

  it.effect("keeps a place free for ten seconds after another owner came, who then need not wait", () =>
    Effect.gen(function* () {
      const inTurn = yield* turns(2, 9)
      yield* inTurn("ada", () => Promise.resolve("done"))
      const jobs = Array.from({ length: 4 }, makeJob)
      const flood = yield* Effect.forEach(jobs, (job) => fork(inTurn("flood", job.work)))
      const started = () => jobs.map((job) => job.starts()).join("")
      assert.strictEqual(started(), "1000")
      assert.strictEqual(yield* inTurn("ada", () => Promise.resolve("at once")), "at once")
      yield* TestClock.adjust("3 seconds")
      jobs[0]!.finish()
      yield* jobs[1]!.started
      assert.strictEqual(started(), "1100")
      jobs[1]!.finish()
      yield* jobs[2]!.started
      yield* Fiber.await(flood[1]!)
      // Its last caller waits no longer than any other, so two more come who still may.
      const late = [makeJob(), makeJob()]
      yield* TestClock.adjust("6999 millis")
      const again = yield* Effect.forEach(late, (job) => fork(inTurn("flood", job.work)))
      assert.deepStrictEqual(late.map((job) => job.starts()), [0, 0])
      yield* TestClock.adjust("1 millis")
      jobs[2]!.finish()
      yield* Effect.all(late.map((job) => job.started))
      for (const job of late) job.finish()
      yield* Fiber.joinAll(again)
    }))

  it.effect("gives an owner who is alone every place, and one that is the only place to everybody", () =>
    Effect.gen(function* () {
      const jobs = Array.from({ length: 3 }, makeJob)
      const alone = yield* turns(2, 9)
      const two = yield* Effect.forEach(jobs.slice(0, 2), (job) => fork(alone("one", job.work)))
      const single = yield* turns(1, 9)
      yield* single("ada", () => Promise.resolve("done"))
      const third = yield* fork(single("flood", jobs[2]!.work))
      assert.deepStrictEqual(jobs.map((job) => job.starts()), [1, 1, 1])
      for (const job of jobs) job.finish()
      yield* Fiber.joinAll([...two, third])
    }))

  it.effect("takes the last place of who has most waiting, for an owner who has fewer", () =>
    Effect.gen(function* () {
      const inTurn = yield* turns(1, 3)
      const jobs = Array.from({ length: 4 }, makeJob)
      const flood = yield* Effect.forEach(jobs, (job) => fork(inTurn("flood", job.work)))
      const others = [makeJob(), makeJob()]
      const ada = yield* fork(inTurn("ada", others[0]!.work))
      assert.isTrue(isBusy(yield* Fiber.await(flood[3]!)), "the last of the flood made room")
      const bob = yield* fork(inTurn("bob", others[1]!.work))
      assert.isTrue(isBusy(yield* Fiber.await(flood[2]!)))
      assert.isTrue(isBusy(yield* Effect.exit(inTurn("eve", makeJob().work))), "all have one: nobody gives way")
      assert.isTrue(isBusy(yield* Effect.exit(inTurn("flood", makeJob().work))))
      assert.strictEqual((yield* Metric.value(hashQueue)).value, 4)
      for (const job of [...jobs, ...others]) job.finish()
      yield* Fiber.joinAll([flood[0]!, flood[1]!, ada, bob])
      assert.deepStrictEqual(jobs.map((job) => job.starts()), [1, 1, 0, 0])
      assert.strictEqual((yield* Metric.value(hashQueue)).value, 0)
    }).pipe(withOwnMetrics))

  it.effect("calls up what one owner has waiting several at a time, as many as wait for each place", () =>
    Effect.gen(function* () {
      const calls: Array<string> = []
      const ends: Array<() => void> = []
      const inTurn = yield* makeTurns<string, string, never>(
        { concurrency: 2, queue: 30, together: 3 },
        (turns, free) => {
          calls.push(turns.map(({ work }) => work).join(" "))
          ends.push(() => {
            free()
            for (const { settle } of turns) settle(Effect.succeed("done"))
          })
        }
      )
      const come = (owner: string, works: ReadonlyArray<string>) =>
        Effect.forEach(works, (work) => fork(inTurn(owner, work, { alone: work.startsWith("alone") })))
      const end = (place: number): ReadonlyArray<string> => {
        calls.length = 0
        ends.splice(place, 1)[0]!()
        return calls
      }
      const ada = yield* come("ada", ["a", "b", "c", "d"])
      assert.deepStrictEqual(calls, ["a", "b"], "nobody waits for others to come")
      const more = yield* come("ada", ["e", "f", "g", "h", "i", "j", "alone k", "l", "m", "alone n", "o"])
      assert.deepStrictEqual(end(0), ["c d e"], "and no more than may")
      const bob = yield* come("bob", ["p"])
      assert.deepStrictEqual(end(1), ["p"], "one place is left to bob")
      assert.strictEqual((yield* Metric.value(hashQueue)).value, 12)
      assert.deepStrictEqual(end(0), ["f g h"])
      const eve = yield* come("eve", ["q", "r"])
      assert.deepStrictEqual(end(0), ["q"])
      assert.deepStrictEqual(end(0), ["i"], "nobody waits for several of another")
      assert.deepStrictEqual(end(0), ["r"])
      assert.deepStrictEqual(end(0), ["j"])
      assert.deepStrictEqual(end(0), [])
      assert.deepStrictEqual(end(0), ["alone k"])
      yield* TestClock.adjust("2001 millis")
      assert.deepStrictEqual(end(0), ["l"], "it is late already")
      assert.deepStrictEqual(end(0), ["m"])
      assert.deepStrictEqual(end(0), ["alone n"])
      assert.deepStrictEqual(end(0), ["o"])
      assert.deepStrictEqual(end(0), [])
      yield* Fiber.joinAll([...ada, ...more, ...bob, ...eve])
      assert.strictEqual((yield* Metric.value(hashQueue)).value, 0)
    }).pipe(withOwnMetrics))

  it.effect("gives away no turn that a caller did not have who is sent away and leaves at once", () =>
    Effect.gen(function* () {
      const inTurn = yield* turns(1, 2)
      const first = makeJob()
      const running = yield* fork(inTurn("flood", first.work))
      const second = makeJob()
      const next = yield* fork(inTurn("flood", second.work))
      const last = yield* fork(inTurn("flood", makeJob().work))
      const ada = makeJob()
      const waiting = yield* fork(inTurn("ada", ada.work))
      last.interruptUnsafe()
      yield* Fiber.await(last)
      assert.strictEqual(ada.starts(), 0)
      assert.isUndefined(waiting.pollUnsafe())
      for (const job of [first, second, ada]) job.finish()
      yield* Fiber.joinAll([running, next, waiting])
    }))

  it.effect("sends away who has waited for four seconds, and nobody else", () =>
    Effect.gen(function* () {
      const inTurn = yield* turns(1, 9)
      const [first, second, third] = [makeJob(), makeJob(), makeJob()]
      const running = yield* fork(inTurn("one", first.work))
      const waiting = yield* fork(inTurn("one", second.work))
      yield* TestClock.adjust("3999 millis")
      const later = yield* fork(inTurn("two", third.work))
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.isTrue(isBusy(yield* Fiber.await(waiting)))
      assert.strictEqual((yield* Metric.value(hashQueue)).value, 2)
      yield* TestClock.adjust("3998 millis")
      assert.isUndefined(later.pollUnsafe())
      first.finish()
      third.finish()
      yield* Fiber.joinAll([running, later])
      assert.strictEqual(second.starts(), 0)
      yield* TestClock.adjust("1 minute")
      const again = [makeJob(), makeJob()]
      const [held, tooLong] = yield* Effect.forEach(again, (job) => fork(inTurn("one", job.work)))
      yield* TestClock.adjust("4 seconds")
      assert.isTrue(isBusy(yield* Fiber.await(tooLong!)))
      again[0]!.finish()
      yield* Fiber.join(held!)
    }).pipe(withOwnMetrics))

  it.effect("runs without a queue when none is allowed", () =>
    Effect.gen(function* () {
      const inTurn = yield* turns(1, 0)
      const job = makeJob()
      const fiber = yield* fork(inTurn("one", job.work))
      assert.isTrue(isBusy(yield* Effect.exit(inTurn("one", makeJob().work))))
      job.finish()
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* inTurn("one", () => Promise.resolve("next")), "next")
    }))

  it.effect("sends away who waits when its scope closes, and lets nobody wait from then on", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const inTurn = yield* Scope.provide(turns(1, 9), scope)
      const [running, waiting, later] = [makeJob(), makeJob(), makeJob()]
      const first = yield* fork(inTurn("one", running.work))
      const second = yield* fork(inTurn("one", waiting.work))
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(isBusy(yield* Fiber.await(second)))
      assert.isTrue(isBusy(yield* Effect.exit(inTurn("two", later.work))))
      running.finish()
      yield* Fiber.join(first)
      later.finish()
      assert.strictEqual(yield* inTurn("two", later.work), "done")
    }))

  it.effect("gives up the place of a caller that goes away while it waits", () =>
    Effect.gen(function* () {
      const inTurn = yield* turns(1, 1)
      const [running, leaving, coming] = [makeJob(), makeJob(), makeJob()]
      const first = yield* fork(inTurn("one", running.work))
      const second = yield* fork(inTurn("one", leaving.work))
      assert.isTrue(isBusy(yield* Effect.exit(inTurn("one", coming.work))))
      yield* Fiber.interrupt(second)
      assert.strictEqual((yield* Metric.value(hashQueue)).value, 1)
      const third = yield* fork(inTurn("one", coming.work))
      assert.isUndefined(third.pollUnsafe())
      running.finish()
      coming.finish()
      yield* Fiber.joinAll([first, third])
      assert.strictEqual(leaving.starts(), 0)
      assert.strictEqual(coming.starts(), 1)
    }).pipe(withOwnMetrics))

  it.effect("keeps the turn of a caller that goes away while its work runs, until the work is done", () =>
    Effect.gen(function* () {
      const inTurn = yield* turns(1, 1)
      const [running, waiting] = [makeJob(), makeJob()]
      const first = yield* fork(inTurn("one", running.work))
      const second = yield* fork(inTurn("one", waiting.work))
      const interruption = yield* fork(Fiber.interrupt(first))
      assert.strictEqual(waiting.starts(), 0)
      assert.isTrue(isBusy(yield* Effect.exit(inTurn("one", makeJob().work))))
      running.finish()
      yield* waiting.started
      waiting.finish()
      yield* Fiber.join(second)
      yield* Fiber.join(interruption)
    }))

  it.effect("dies of work that fails, and gives its turn back", () =>
    Effect.gen(function* () {
      const inTurn = yield* turns(1, 0)
      const job = makeJob()
      const fiber = yield* fork(inTurn("one", job.work))
      job.fail()
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause) && !Cause.hasFails(exit.cause))
      assert.strictEqual(yield* inTurn("one", () => Promise.resolve("next")), "next")
    }))

  const index = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))
  const steps = Arbitrary.array(
    Arbitrary.schema(Schema.Union([
      Schema.TaggedStruct("Come", {
        owner: Schema.Literals(["one", "two"]),
        alone: Schema.Boolean,
        steps: Schema.Literals([3, 4, 5, 2048])
      }),
      Schema.TaggedStruct("Finish", { index }),
      Schema.TaggedStruct("Leave", { index }),
      Schema.TaggedStruct("Breathe", {})
    ])),
    { maxLength: 40 }
  )
  it.effect.prop(
    "loses and invents no turn, whoever comes, finishes and leaves in whatever order",
    [steps, Schema.Literals([1, 2, 3])],
    ([steps, together]) =>
      Effect.gen(function* () {
        const inTurn = yield* turns(2, 3, together)
        const jobs: Array<ReturnType<typeof makeJob>> = []
        const fibers: Array<Fiber.Fiber<unknown, HasherBusy>> = []
        const finished = new Set<ReturnType<typeof makeJob>>()
        for (const step of steps) {
          switch (step._tag) {
            case "Come": {
              const job = makeJob()
              jobs.push(job)
              fibers.push(yield* fork(stepByStep(step.steps)(inTurn(step.owner, job.work, step))))
              break
            }
            case "Finish": {
              const job = jobs[step.index]
              job?.finish()
              if (job !== undefined) finished.add(job)
              break
            }
            case "Leave":
              fibers[step.index]?.interruptUnsafe()
              break
            case "Breathe":
              yield* Effect.yieldNow
          }
          assert.isAtMost(jobs.filter((job) => job.starts() > 0 && !finished.has(job)).length, 2)
        }
        for (const job of jobs) job.finish()
        yield* Effect.forEach(fibers, Fiber.await)
        // Work whose caller went away is done a little later.
        while ((yield* Metric.value(hashQueue)).value > 0) yield* Effect.yieldNow
        assert.isTrue(jobs.every((job) => job.starts() <= 1))
        yield* TestClock.adjust("10 seconds")
        const after = Array.from({ length: 6 }, makeJob)
        const last = yield* Effect.forEach(after, (job) => fork(inTurn("one", job.work)))
        assert.strictEqual(after.map((job) => job.starts()).join(""), "110000")
        assert.isTrue(isBusy(yield* Fiber.await(last[5]!)))
        for (const job of after) job.finish()
        yield* Fiber.joinAll(last.slice(0, 5))
      }).pipe(withOwnMetrics),
    { arbitrary: { runs: 200 } }
  )
})
