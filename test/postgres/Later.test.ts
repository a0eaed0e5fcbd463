// What waits to be written is written soon, by one at a time, and keeps nobody waiting for longer than it may.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Later from "../../src/postgres/Later.ts"
import { Caller } from "../../src/services/Caller.ts"

/** A log that is written as long as `database` is open, and what was written of it, batch by batch. */
const makeLog = Effect.gen(function* () {
  const waiting: Array<string> = []
  const written: Array<ReadonlyArray<string>> = []
  const database = yield* Latch.make(true)
  let underWay = 0
  const later = yield* Later.make(Effect.gen(function* () {
    assert.strictEqual(++underWay, 1)
    const batch = waiting.splice(0)
    yield* database.await
    written.push(batch)
    underWay--
  }))
  const add = (entry: string) => {
    waiting.push(entry)
    later.wanted()
  }
  return { ...later, add, database, written }
})

describe("Later", () => {
  it.effect("writes what came by the next tenth of a second, once", () =>
    Effect.gen(function* () {
      const { add, written } = yield* makeLog
      yield* TestClock.adjust("1030 millis")
      add("a")
      yield* TestClock.adjust("60 millis")
      add("b")
      yield* TestClock.adjust("9 millis")
      assert.deepEqual(written, [])
      yield* TestClock.adjust("1 millis")
      assert.deepEqual(written, [["a", "b"]])
      yield* TestClock.adjust("10 seconds")
      assert.deepEqual(written, [["a", "b"]])
    }))

  it.effect("writes what comes meanwhile a moment after, by one at a time", () =>
    Effect.gen(function* () {
      const { add, database, flush, written } = yield* makeLog
      yield* database.close
      add("a")
      yield* TestClock.adjust("100 millis")
      add("b")
      const flushes = yield* Effect.forEach([1, 2], () => Effect.forkChild(flush, { startImmediately: true }))
      yield* TestClock.adjust("100 millis")
      assert.deepEqual(written, [])
      yield* database.open
      yield* Effect.forEach(flushes, Fiber.join)
      assert.deepEqual(written.filter((batch) => batch.length > 0), [["a"], ["b"]])
    }))

  it.effect("goes on when whoever asked for it goes away", () =>
    Effect.gen(function* () {
      const { add, database, flush, written } = yield* makeLog
      yield* database.close
      add("a")
      const asking = yield* Effect.forkChild(flush, { startImmediately: true })
      yield* Fiber.interrupt(asking)
      yield* database.open
      yield* TestClock.adjust("100 millis")
      assert.deepEqual(written.filter((batch) => batch.length > 0), [["a"]])
    }))

  it.effect("tries again a second after it failed", () =>
    Effect.gen(function* () {
      const times: Array<number> = []
      const { wanted } = yield* Later.make(Effect.clockWith((clock) => {
        times.push(clock.currentTimeMillisUnsafe())
        return times.length < 3 ? Effect.fail("away") : Effect.void
      }))
      wanted()
      yield* TestClock.adjust("10 seconds")
      assert.deepEqual(times, [100, 1200, 2300])
    }))

  it.effect("waits a second at most, and no longer than its caller may, of whose patience it takes", () =>
    Effect.gen(function* () {
      const { database, flush } = yield* makeLog
      // However this ends: what is under way when it does is waited for.
      yield* Effect.addFinalizer(() => database.open)
      yield* database.close
      for (const [left, waited] of [[4500, 1000], [300, 300], [1, 1]] as const) {
        const patience = { left, underWay: 0, since: 0 }
        const flushing = yield* flush.pipe(
          Effect.provideService(Caller, { address: null, userAgent: null, patience }),
          Effect.forkChild({ startImmediately: true })
        )
        yield* TestClock.adjust(waited - 1)
        assert.isUndefined(flushing.pollUnsafe())
        yield* TestClock.adjust(1)
        yield* Fiber.join(flushing)
        assert.strictEqual(patience.left, left - waited)
      }
    }))

  it.effect("writes what is left when it ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { add, written } = yield* Scope.provide(makeLog, scope)
      add("a")
      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
      assert.deepEqual(written, [["a"]])
    }))
})
