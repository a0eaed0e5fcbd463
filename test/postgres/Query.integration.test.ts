// A call of the store ends in bounded time, and no later than its caller stops waiting.
import { assert, layer } from "@effect/vitest"
import { type Duration, Effect, Fiber } from "effect"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import { TestClock } from "effect/testing"
import { Queries } from "../../src/postgres/Query.ts"
import { Caller } from "../../src/services/Caller.ts"
import * as Database from "../support/Database.ts"

const never = Effect.flatMap(Queries, ({ attempt }) => attempt("never", Effect.never)).pipe(Effect.flip)

layer(Database.layer, { timeout: "60 seconds" })("attempt", (it) => {
  it.effect("gives up after four seconds", () =>
    Effect.gen(function* () {
      const call = yield* Effect.forkChild(never)
      yield* TestClock.adjust("3999 millis")
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(call))._tag, "StoreUnavailable")
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("gives up when the request has used its time with the store, and at once when none is left", () =>
    Effect.gen(function* () {
      const { attempt } = yield* Queries
      const patience = { left: 1500, underWay: 0, since: 0 }
      const hurried = <A, E, R>(call: Effect.Effect<A, E, R>) =>
        Effect.provideService(call, Caller, { address: null, userAgent: null, patience })
      const first = yield* Effect.forkChild(hurried(attempt("slow", Effect.sleep("500 millis"))))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(first)
      // What is not the store's doing does not count.
      yield* TestClock.adjust("3 seconds")
      const call = yield* Effect.forkChild(hurried(never))
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(call))._tag, "StoreUnavailable")
      const late = hurried(attempt("late", Effect.succeed("an answer")))
      assert.strictEqual((yield* Effect.flip(late))._tag, "StoreUnavailable")
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("takes the time of calls at once from what the caller has once", () =>
    Effect.gen(function* () {
      const { attempt } = yield* Queries
      const patience = { left: 3000, underWay: 0, since: 0 }
      const call = (duration: Duration.Input) => attempt("slow", Effect.sleep(duration))
      const both = yield* Effect.forkChild(
        Effect.all([call("1 second"), call("2 seconds")], { concurrency: 2 }).pipe(
          Effect.provideService(Caller, { address: null, userAgent: null, patience })
        )
      )
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(both)
      assert.strictEqual(patience.left, 1000)
    }).pipe(Effect.provide(Queries.layer)))

  it.effect("calls a standby that took over by its name: away, not broken", () =>
    Effect.gen(function* () {
      const { attempt } = yield* Queries
      const readOnly = new SqlError({
        reason: new UnknownError({ cause: { code: "25006" }, message: "read only", operation: "execute" })
      })
      assert.strictEqual((yield* Effect.flip(attempt("write", Effect.fail(readOnly))))._tag, "StoreUnavailable")
    }).pipe(Effect.provide(Queries.layer)))
})
