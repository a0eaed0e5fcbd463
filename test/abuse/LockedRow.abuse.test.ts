// A row that somebody keeps locked (a stuck script of the operator, a long transaction) makes those wait who need it,
// and nobody else: statements share connections, and none may stand in the way of the others on its own.
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { lockUser, oneConnection, waitingNow } from "../support/Locks.ts"
import * as Server from "../support/Server.ts"
import * as Wire from "./Wire.ts"

const changing = (tenant: Wire.Tenant, count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    (n) =>
      Server.call("POST", "/api/auth/auto", { bearer: tenant.api_key, json: { username: "ada", metadata: { n } } }),
    { concurrency: "unbounded" }
  )

layer(Server.layer(), Wire.options)("LockedRow", (it) => {
  it.effect.skipIf(oneConnection)(
    "delays the sign-ins of its user, and neither refuses nor delays anybody else's calls",
    () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        const { user } = yield* Wire.signIn(tenant)
        const bob = yield* Wire.signIn(tenant, "bob")
        const release = yield* lockUser(user.id)
        const waiting = yield* Effect.forkScoped(changing(tenant, 40))
        for (let round = 0; round < 10; round++) {
          const answers = yield* Effect.replicateEffect(
            Server.call("GET", "/api/me/sessions", { bearer: bob.token }),
            10,
            { concurrency: "unbounded" }
          )
          assert.deepEqual(answers.map(({ status }) => status), answers.map(() => 200))
        }
        // Who came before anybody knew of the lock has met it by now.
        for (let calm = 0; calm < 20;) calm = (yield* waitingNow) > 2 ? 0 : calm + 1
        // Those who come now know of the lock: not more of them wait for it than have a connection of their own to do so.
        yield* Effect.forkScoped(changing(tenant, 20))
        for (let sample = 0; sample < 40; sample++) assert.isAtMost(yield* waitingNow, 2)
        assert.isUndefined(waiting.pollUnsafe(), "the lock was held all the while")
        // Another tenant does not get as far as the lock.
        const other = yield* Wire.makeTenant
        for (const method of ["PATCH", "DELETE"]) {
          const path = `/api/tenant/users/${user.id}`
          const answer = yield* Server.call(method, path, { bearer: other.api_key, json: { banned: true } })
          Wire.isProblem(answer, 404, "not_found")
        }
        yield* release
        const statuses = (yield* Fiber.join(waiting)).map(({ status }) => status)
        assert.include(statuses, 200)
        for (const status of statuses) assert.include([200, 503], status)
      }).pipe(Effect.scoped)
  )
})
