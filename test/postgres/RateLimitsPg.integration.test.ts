import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { Claim } from "../../src/domain/RateLimit.ts"
import * as RateLimitsPg from "../../src/postgres/RateLimitsPg.ts"
import { RateLimits } from "../../src/services/RateLimits.ts"
import { hash } from "node:crypto"
import * as World from "../support/World.ts"

const account = (subject: string): Claim => ({ action: "login_account", subject })
const address = (subject: string): Claim => ({ action: "login_address", subject })

/** What is written of an account. */
const countOf = Effect.fn("countOf")(function* (subject: string) {
  const sql = yield* SqlClient
  const key = `login_account ${hash("sha256", subject, "base64url")}`
  const [row] = yield* sql<{ readonly count: string }>`select count::text from rate_limits where key = ${key}`
  return Number(row?.count)
})

/** A login of one of two accounts from one of two addresses, or the return of what one before it took. */
const step = Schema.Struct({
  account: Schema.Literals(["ada", "bob"]),
  address: Schema.Literals(["home", "office"]),
  returns: Schema.Boolean
})
const steps = Schema.Array(step).check(Schema.isMaxLength(30))

layer(World.layer({ LIMIT_LOGIN_ACCOUNT: "2", LIMIT_LOGIN_ADDRESS: "3" }), { excludeTestServices: true })(
  "RateLimitsPg",
  (it) => {
    it.effect("takes one of each claim, and gives one of each back", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const claims = [account("ada"), address("home")]
        yield* limits.takeAll(claims)
        for (let time = 0; time < 5; time++) {
          yield* limits.takeAll(claims)
          yield* limits.giveBack(claims)
        }
        yield* limits.takeAll(claims)
        assert.strictEqual((yield* Effect.flip(limits.takeAll(claims)))._tag, "RateLimited")
      }))

    it.effect("takes nothing of a claim after one that has none left", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        for (let time = 0; time < 2; time++) yield* limits.take("login_account", "bob")
        for (let time = 0; time < 5; time++) {
          yield* Effect.flip(limits.takeAll([account("bob"), address("office")]))
        }
        for (let time = 0; time < 3; time++) yield* limits.take("login_address", "office")
        yield* Effect.flip(limits.take("login_address", "office"))
      }))

    it.effect("takes nothing of a claim before one that has none left", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        for (let time = 0; time < 3; time++) yield* limits.take("login_address", "café")
        for (let time = 0; time < 5; time++) {
          yield* Effect.flip(limits.takeAll([account("eve"), address("café")]))
        }
        yield* limits.takeAll([account("eve"), address("home of eve")])
        yield* limits.take("login_account", "eve")
        yield* Effect.flip(limits.take("login_account", "eve"))
      }))

    it.effect("grants what comes back after a refusal, and no more", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        for (let time = 0; time < 2; time++) yield* limits.take("login_account", "dora")
        for (let time = 0; time < 2; time++) {
          yield* Effect.flip(limits.take("login_account", "dora"))
          yield* limits.giveBack([account("dora")])
          yield* limits.take("login_account", "dora")
        }
        yield* Effect.flip(limits.take("login_account", "dora"))
      }))

    it.effect("gives nobody more than was taken, nor back what is over", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const sql = yield* SqlClient
        yield* limits.take("login_account", "dan")
        yield* limits.giveBack([account("carl"), address("train"), account("dan")])
        yield* Effect.repeat(countOf("dan"), { until: (count) => count === 0 })
        for (let time = 0; time < 2; time++) yield* limits.take("login_account", "carl")
        yield* Effect.flip(limits.take("login_account", "carl"))
        yield* limits.take("login_address", "train")
        yield* sql`update rate_limits set expires_at = now() - interval '1 second'`
        yield* limits.giveBack([address("train"), account("dan")])
        yield* Effect.repeat(countOf("dan"), { until: (count) => count === -1 })
        for (let time = 0; time < 3; time++) yield* limits.take("login_address", "train")
        yield* Effect.flip(limits.take("login_address", "train"))
      }))

    it.effect("grants as many as are left of a hundred calls at once", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const exits = yield* Effect.all(
          Array.from({ length: 100 }, (_, n) => Effect.exit(limits.takeAll([account(`user ${n}`), address("school")]))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(exits.filter((exit) => exit._tag === "Success").length, 3)
        // Nothing was taken of the accounts of those who were refused.
        for (let n = 0; n < 100; n++) {
          for (let time = exits[n]!._tag === "Success" ? 1 : 0; time < 2; time++) {
            yield* limits.takeAll([account(`user ${n}`), address(`home of ${n}`)])
          }
        }
      }))

    it.effect("grants as many as are left of an account to a hundred calls at once, from wherever", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const exits = yield* Effect.all(
          Array.from(
            { length: 100 },
            (_, n) => Effect.exit(limits.takeAll([account("zoe"), address(`place ${n % 50}`)]))
          ),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(exits.filter((exit) => exit._tag === "Success").length, 2)
      }))

    it.effect("grants what is left to a few at once, each for itself", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const atOnce = (calls: ReadonlyArray<ReadonlyArray<Claim>>) =>
          Effect.map(
            Effect.forEach(calls, (claims) => Effect.exit(limits.takeAll(claims)), { concurrency: "unbounded" }),
            (exits) => exits.map((exit) => exit._tag === "Success")
          )
        yield* limits.take("login_address", "library")
        const readers = [0, 1, 2].map((n) => [account(`reader ${n}`), address("library")])
        assert.strictEqual((yield* atOnce(readers)).filter((granted) => granted).length, 2)
        for (let time = 0; time < 2; time++) yield* limits.take("login_account", "kim")
        const calls = [[account("kim"), address("attic")], [account("lee"), address("attic")]]
        assert.deepEqual(yield* atOnce(calls), [false, true])
      }))

    it.effect("remembers what has run out, however many were refused at once", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        for (let time = 0; time < 3; time++) yield* limits.take("login_address", "bar")
        const calls = Array.from({ length: 20 }, (_, n) => limits.takeAll([account(`drinker ${n}`), address("bar")]))
        yield* Effect.all(calls.map(Effect.flip), { concurrency: "unbounded" })
        assert.strictEqual((yield* Effect.flip(limits.check("login_address", "bar")))._tag, "RateLimited")
      }))

    it.effect("refuses nobody who waits for what came back a moment ago, however many do", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const claims = Array.from({ length: 30 }, (_, n) => [account(`guest ${n}`), address(`hotel ${n % 10}`)])
        for (let time = 0; time < 5; time++) {
          yield* Effect.forEach(claims, limits.takeAll, { concurrency: "unbounded" })
          yield* Effect.forEach(claims, limits.giveBack)
        }
        yield* Effect.repeat(Effect.forEach(claims, (_, n) => countOf(`guest ${n}`)), {
          until: (counts) => counts.every((count) => count === 0)
        })
      }))

    it.effect("refuses nobody while no more than the limit are under way, each in its own time", () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const claims = [account("family"), address("home of the family")]
        const member = Effect.andThen(
          limits.takeAll(claims),
          Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 3 }), limits.giveBack(claims))
        )
        yield* Effect.all([0, 1].map(() => Effect.repeat(member, { times: 300 })), { concurrency: "unbounded" })
      }))

    it.effect("writes what was given back when it ends", () =>
      Effect.gen(function* () {
        yield* Effect.flatMap(RateLimits, (limits) =>
          Effect.gen(function* () {
            yield* limits.takeAll([account("the last"), address("door")])
            yield* limits.giveBack([account("the last"), address("door")])
          })).pipe(Effect.provide(Layer.fresh(RateLimitsPg.layer)))
        assert.strictEqual(yield* countOf("the last"), 0)
      }))

    let run = 0
    it.effect.prop("takes and gives back like a count of each", [steps], ([taken]) =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const own = `run ${run++} `
        const counts = { ada: 0, bob: 0, home: 0, office: 0 }
        const open: Array<typeof step.Type> = []
        for (const login of taken) {
          const last = login.returns ? open.pop() : undefined
          if (last !== undefined) {
            counts[last.account]--
            counts[last.address]--
            yield* limits.giveBack([account(own + last.account), address(own + last.address)])
            continue
          }
          const expected = counts[login.account] < 2 && counts[login.address] < 3
          const exit = yield* Effect.exit(
            limits.takeAll([account(own + login.account), address(own + login.address)])
          )
          assert.strictEqual(exit._tag === "Success", expected)
          if (!expected) continue
          counts[login.account]++
          counts[login.address]++
          open.push(login)
        }
      }))
  }
)
