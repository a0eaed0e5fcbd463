// Calls that leave together: whose answer is whose, and what becomes of each when the statement for all of them fails.
import { assert, layer } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Latch, Scope } from "effect"
import { ConnectionError, SqlError, UniqueViolation } from "effect/sql/SqlError"
import { TestClock } from "effect/testing"
import * as Gather from "../../src/postgres/Gather.ts"
import { Queries } from "../../src/postgres/Query.ts"
import { Caller, type Patience } from "../../src/services/Caller.ts"
import * as Database from "../support/Database.ts"

type Many = (calls: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<number, string>, SqlError>

const together: Many = (calls) => Effect.succeed(new Map(calls.map((call, index) => [index, `${call} together`])))

/** The clock at one of the moments at which it is looked for who waits no longer. */
const atALook = Effect.flatMap(Clock.currentTimeMillis, (now) => TestClock.adjust(100 - now % 100))

/**
 * A statement on its way that keeps every other waiting until the latch opens, beside a call that went alone, and all that
 * was sent for several since. With `slow`, so many as keep others waiting however long it takes. A call is its own key, up
 * to a colon.
 */
const gathering = Effect.fn("gathering")(function* (many: Many, { slow = false } = {}) {
  yield* atALook
  const sent: Array<ReadonlyArray<string>> = []
  const go = yield* Latch.make()
  const left = yield* Deferred.make<void>()
  const gather = yield* Gather.make("gather", (call: string) => call.split(":")[0]!, (calls) => {
    if (calls[0] === "busy") {
      return Deferred.succeed(left, undefined).pipe(Effect.andThen(go.await), Effect.as(new Map([[0, "done"]])))
    }
    sent.push(calls)
    return many(calls)
  }, { atOnce: true })
  const ask = (call: string) => gather(call, Effect.succeed(`${call} alone`))
  const busy = [
    yield* Effect.forkChild(gather("first", Effect.as(go.await, "done")), { startImmediately: true }),
    yield* Effect.forkChild(ask("busy"), { startImmediately: true })
  ]
  yield* Deferred.await(left)
  for (const call of slow ? ["busy", "busy"] : []) {
    busy.push(yield* Effect.forkChild(ask(call), { startImmediately: true }))
    yield* TestClock.adjust("100 millis")
  }
  const askAll = (calls: ReadonlyArray<string>) =>
    Effect.forEach(calls, (call) => Effect.forkChild(ask(call), { startImmediately: true }))
  return { ask, askAll, busy, gather, go, sent }
})

const patient = <A, E, R>(effect: Effect.Effect<A, E, R>, patience: Patience) =>
  Effect.provideService(effect, Caller, { address: null, userAgent: null, patience })

layer(Database.layer, { timeout: "60 seconds" })("Gather", (it) => {
  it.effect("lets a call that meets no other go alone", () =>
    Effect.gen(function* () {
      const { ask, busy, go, sent } = yield* gathering(together)
      yield* go.open
      yield* Effect.forEach(busy, Fiber.join)
      assert.strictEqual(yield* ask("a"), "a alone")
      assert.deepEqual(sent, [])
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("lets calls that can wait for the end of their turn leave together, and one by itself alone", () =>
    Effect.gen(function* () {
      const sent: Array<ReadonlyArray<string>> = []
      const gather = yield* Gather.make("gather", (call: string) => call, (calls) => {
        sent.push(calls)
        return together(calls)
      }, { atOnce: false })
      const ask = (call: string) => gather(call, Effect.succeed(`${call} alone`))
      const both = yield* Effect.all([ask("a"), ask("b")], { concurrency: "unbounded" })
      assert.deepEqual(both, ["a together", "b together"])
      assert.deepEqual(sent, [["a", "b"]])
      assert.strictEqual(yield* ask("c"), "c alone")
      assert.deepEqual(sent, [["a", "b"]])
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("sends what came meanwhile in one statement, and gives each caller its own answer", () =>
    Effect.gen(function* () {
      const { askAll, go, sent } = yield* gathering(together)
      const fibers = yield* askAll(["a", "b", "c"])
      yield* go.open
      assert.deepEqual(yield* Effect.forEach(fibers, Fiber.join), ["a together", "b together", "c together"])
      assert.deepEqual(sent, [["a", "b", "c"]])
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("sends a statement that is worth it although another is on its way", () =>
    Effect.gen(function* () {
      const { askAll, go, sent } = yield* gathering(together)
      yield* Fiber.interrupt((yield* askAll(["gone"]))[0]!)
      const fibers = yield* askAll([...Array.from({ length: 11 }, (_, index) => `${index}`), "0:twin"])
      yield* TestClock.adjust("99 millis")
      assert.deepEqual(sent, [])
      fibers.push(...yield* askAll(["11"]))
      yield* TestClock.adjust(0)
      assert.deepEqual(sent.map((calls) => calls.length), [12])
      yield* go.open
      yield* Effect.forEach(fibers, Fiber.join)
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("sends what is left over at once when that is worth it, too", () =>
    Effect.gen(function* () {
      const rest = yield* Deferred.make<void>()
      const { askAll, sent } = yield* gathering((calls) =>
        Effect.andThen(calls.length < 64 ? Deferred.succeed(rest, undefined) : Effect.void, Effect.never)
      )
      const fibers = yield* askAll(Array.from({ length: 80 }, (_, index) => `${index}`))
      yield* Deferred.await(rest)
      assert.deepEqual(sent.map((calls) => calls.length), [64, 16])
      yield* Fiber.interruptAll(fibers)
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("keeps nobody waiting for a statement for longer than its caller waits", () =>
    Effect.gen(function* () {
      const { ask } = yield* gathering(() => Effect.never)
      const hurried = patient(ask("a"), { left: 1000, underWay: 0, since: 0 })
      const fiber = yield* Effect.forkChild(hurried, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "StoreUnavailable")
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("sends no two calls of one key in a statement, and no more than sixty-four", () =>
    Effect.gen(function* () {
      const { askAll, go, sent } = yield* gathering(together)
      const twins = ["a:1", "a:2", "a:3"]
      const fibers = yield* askAll([...twins, ...Array.from({ length: 100 }, (_, index) => `${index}`)])
      yield* go.open
      yield* Effect.forEach(fibers, Fiber.join)
      for (const calls of sent) {
        assert.isAtMost(calls.length, 64)
        assert.isAtMost(calls.filter((call) => call.startsWith("a")).length, 1)
      }
      assert.deepEqual(sent.flat().filter((call) => call.startsWith("a")), twins)
      assert.strictEqual(sent[0]!.length, 64)
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("asks alone for what the statement for many left out", () =>
    Effect.gen(function* () {
      const { askAll, go } = yield* gathering((calls) =>
        Effect.map(together(calls), (answers) => new Map([...answers].filter(([index]) => index !== 1)))
      )
      const fibers = yield* askAll(["a", "b", "c"])
      yield* go.open
      assert.deepEqual(yield* Effect.forEach(fibers, Fiber.join), ["a together", "b alone", "c together"])
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("asks alone for each when the statement for all was undone", () =>
    Effect.gen(function* () {
      const undone = new SqlError({ reason: new UniqueViolation({ cause: undefined, constraint: "sessions_pkey" }) })
      const { askAll, go } = yield* gathering(() => Effect.fail(undone))
      const fibers = yield* askAll(["a", "b"])
      yield* go.open
      assert.deepEqual(yield* Effect.forEach(fibers, Fiber.join), ["a alone", "b alone"])
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("repeats nothing that may have been done: when the connection was lost, each caller hears so", () =>
    Effect.gen(function* () {
      const lost = new SqlError({ reason: new ConnectionError({ cause: undefined }) })
      const { askAll, go } = yield* gathering(() => Effect.fail(lost))
      const fibers = yield* askAll(["a", "b"])
      yield* go.open
      for (const fiber of fibers) assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "StoreUnavailable")
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("does not send the call of who went away, and answers the others", () =>
    Effect.gen(function* () {
      const { askAll, go, sent } = yield* gathering(together)
      const fibers = yield* askAll(["a", "b", "c"])
      yield* Fiber.interrupt(fibers[1]!)
      yield* go.open
      assert.strictEqual(yield* Fiber.join(fibers[0]!), "a together")
      assert.strictEqual(yield* Fiber.join(fibers[2]!), "c together")
      assert.deepEqual(sent, [["a", "c"]])
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("answers the others although one goes away while the statement is on its way", () =>
    Effect.gen(function* () {
      const sending = yield* Deferred.make<void>()
      const answered = yield* Latch.make()
      const { askAll, go } = yield* gathering((calls) =>
        Deferred.succeed(sending, undefined).pipe(Effect.andThen(answered.await), Effect.andThen(together(calls)))
      )
      const fibers = yield* askAll(["a", "b"])
      yield* go.open
      yield* Deferred.await(sending)
      yield* Fiber.interrupt(fibers[0]!)
      yield* answered.open
      assert.strictEqual(yield* Fiber.join(fibers[1]!), "b together")
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("goes on when a call that went alone is interrupted", () =>
    Effect.gen(function* () {
      const { ask, busy, go } = yield* gathering(together)
      yield* Fiber.interrupt(busy[0]!)
      yield* go.open
      yield* Effect.forEach(busy.slice(1), Fiber.join)
      yield* Effect.yieldNow
      assert.strictEqual(yield* ask("a"), "a alone")
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("keeps nobody waiting for longer than its caller waits, and sends nothing for it afterwards", () =>
    Effect.gen(function* () {
      const { ask, busy, go, sent } = yield* gathering(together, { slow: true })
      const hurried = patient(ask("a"), { left: 1000, underWay: 0, since: 0 })
      const fiber = yield* Effect.forkChild(hurried, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "StoreUnavailable")
      yield* go.open
      yield* Effect.forEach(busy, Fiber.join)
      yield* TestClock.adjust("1 second")
      assert.deepEqual(sent, [])
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("takes the time for which a call waited from what its caller has", () =>
    Effect.gen(function* () {
      const { ask, go } = yield* gathering(together, { slow: true })
      const patience = { left: 3000, underWay: 0, since: 0 }
      const fiber = yield* Effect.forkChild(
        patient(ask("a"), patience),
        { startImmediately: true }
      )
      yield* TestClock.adjust("1 second")
      yield* go.open
      assert.strictEqual(yield* Fiber.join(fiber), "a together")
      assert.strictEqual(patience.left, 2000)
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("asks nothing for a caller that has no time left", () =>
    Effect.gen(function* () {
      const { ask, busy, go, sent } = yield* gathering(together)
      const late = patient(ask("a"), { left: 0, underWay: 0, since: 0 })
      assert.strictEqual((yield* Effect.flip(late))._tag, "StoreUnavailable")
      yield* go.open
      yield* Effect.forEach(busy, Fiber.join)
      assert.deepEqual(sent, [])
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("waits no longer for statements that hang, until too many do", () =>
    Effect.gen(function* () {
      yield* atALook
      const sent: Array<ReadonlyArray<string>> = []
      const gather = yield* Gather.make("gather", (call: string) => call, (calls) => {
        sent.push(calls)
        return Effect.never
      }, { atOnce: true })
      const ask = (call: string) => Effect.forkChild(gather(call, Effect.never), { startImmediately: true })
      yield* ask("alone")
      yield* ask("a")
      yield* TestClock.adjust(0)
      assert.deepEqual(sent, [["a"]])
      yield* ask("b")
      yield* ask("c")
      yield* TestClock.adjust("99 millis")
      assert.deepEqual(sent, [["a"]])
      yield* TestClock.adjust("1 millis")
      assert.deepEqual(sent, [["a"], ["b", "c"]])
      yield* TestClock.adjust("100 millis")
      yield* ask("d")
      yield* TestClock.adjust("100 millis")
      assert.deepEqual(sent, [["a"], ["b", "c"], ["d"]])
      yield* ask("e")
      yield* TestClock.adjust("1 second")
      assert.deepEqual(sent, [["a"], ["b", "c"], ["d"]])
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("ends what is on its way when it ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const interrupted = yield* Deferred.make<void>()
      const { askAll } = yield* Scope.provide(
        gathering(() => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))),
        scope
      )
      const [fiber] = yield* askAll(["a"])
      yield* TestClock.adjust("100 millis")
      yield* Scope.close(scope, Exit.void)
      yield* Deferred.await(interrupted)
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber!)))._tag, "StoreUnavailable")
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("answers whoever still waits when it ends, and takes nobody from then on", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { ask, askAll } = yield* Scope.provide(gathering(together), scope)
      const fibers = yield* askAll(["a", "b"])
      yield* Scope.close(scope, Exit.void)
      for (const fiber of fibers) assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "StoreUnavailable")
      assert.strictEqual((yield* Effect.flip(ask("c")))._tag, "StoreUnavailable")
    }).pipe(Effect.provide(Queries.layer)))
})
