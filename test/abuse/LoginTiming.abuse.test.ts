// How long a refusal takes must not say what was wrong (Parse CVE-2026-39321, Supabase PR #2223). Refusals of every kind
// are timed in turns; of two kinds that do the same work neither is the slower one more often than chance has it.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as Wire from "./Wire.ts"

const rounds = 300

/** Hashing so cheap that a missing query would show beside it, and a missing hash even more. */
const cheap = { ARGON2_MEMORY_KIB: "1024", ARGON2_ITERATIONS: "2", HASH_CONCURRENCY: "1" }

/** How often a time of `left` is longer than one of `right`, between 0 and 1; 0.5 for two samples of one kind. */
const slower = (left: ReadonlyArray<number>, right: ReadonlyArray<number>): number => {
  let wins = 0
  for (const a of left) for (const b of right) wins += a > b ? 1 : a === b ? 0.5 : 0
  return wins / (left.length * right.length)
}

/** Seven times the standard deviation that chance gives this measure with so many rounds. */
const tolerance = 7 * Math.sqrt((2 * rounds + 1) / (12 * rounds * rounds))

layer(Server.layer(cheap), Wire.options)("LoginTiming", (it) => {
  it.effect(
    "is the same for an unknown app or user, no password, a wrong one, and a banned user's wrong one",
    () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        yield* Wire.createUser(tenant, "ada")
        const banned = yield* Wire.createUser(tenant, "banned")
        yield* call("PATCH", `/api/tenant/users/${banned.id}`, { bearer: tenant.api_key, json: { banned: true } })
        yield* Wire.signIn(tenant, "passwordless")
        const kinds = {
          "wrong password": [tenant.app_id, "ada"],
          "unknown app": [`vc_app_${"0".repeat(32)}`, "ada"],
          "unknown user": [tenant.app_id, "nobody"],
          "no password": [tenant.app_id, "passwordless"],
          "banned, wrong password": [tenant.app_id, "banned"]
        } as const
        const names = Object.keys(kinds) as Array<keyof typeof kinds>
        const times = new Map(names.map((name) => [name, [] as Array<number>]))
        for (let round = -10; round < rounds; round++) {
          // Another one first each time: what runs after what must not matter.
          for (let n = 0; n < names.length; n++) {
            const name = names[(n + round + names.length * 2) % names.length]!
            const [appId, username] = kinds[name]
            const begun = performance.now()
            const answer = yield* Wire.login(appId, username, "wrong horse battery")
            const took = performance.now() - begun
            Wire.isProblem(answer, 401, "invalid_credentials")
            if (round >= 0) times.get(name)!.push(took)
          }
        }
        const [reference, ...others] = names
        for (const name of others) {
          const share = slower(times.get(name)!, times.get(reference!)!)
          assert.isBelow(Math.abs(share - 0.5), tolerance, `${name} is slower in ${share.toFixed(3)} of all pairs`)
        }
      }),
    60_000
  )
})
