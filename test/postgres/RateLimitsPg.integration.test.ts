import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { Claim } from "../../src/domain/RateLimit.ts"
import { RateLimits } from "../../src/services/RateLimits.ts"
import * as World from "../support/World.ts"

const account = (subject: string): Claim => ({ action: "login_account", subject })
const address = (subject: string): Claim => ({ action: "login_address", subject })

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
        yield* limits.giveBack([account("carl"), address("train")])
        for (let time = 0; time < 2; time++) yield* limits.take("login_account", "carl")
        yield* Effect.flip(limits.take("login_account", "carl"))
        yield* limits.take("login_address", "train")
        yield* sql`update rate_limits set expires_at = now() - interval '1 second'`
        yield* limits.giveBack([address("train")])
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
      }))
  }
)
