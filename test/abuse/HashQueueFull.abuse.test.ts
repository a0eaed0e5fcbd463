// A flood of logins, each of which costs a password hash. Those beyond the queue are refused at once, whoever they are
// for; those in it are answered; and who needs no hash does not notice.
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Queue } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as Wire from "./Wire.ts"

/** So costly that a whole flood arrives while the first hash runs. */
const costly = {
  HASH_CONCURRENCY: "1",
  HASH_QUEUE: "2",
  // Other tests may keep all processors busy, behind which a hash would wait for longer than its caller.
  HASH_NICENESS: "0",
  ARGON2_MEMORY_KIB: "65536",
  ARGON2_ITERATIONS: "6"
}

const flood = 12
const served = 3

const kinds = [
  ["a wrong password", "ada"],
  ["no such user", "nobody"],
  ["a user without a password", "bob"],
  ["no such app", undefined]
] as const

layer(Server.layer(costly), Wire.options)("HashQueueFull", (it) => {
  for (const [name, username] of kinds) {
    it.effect(`refuses the logins beyond the queue before the first of it is done, and serves others meanwhile: ${name}`, () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        yield* Wire.createUser(tenant, "ada")
        const bob = yield* Wire.signIn(tenant, "bob")
        const answers = yield* Queue.unbounded<Server.Answer>()
        const appId = username === undefined ? `vc_app_${"0".repeat(32)}` : tenant.app_id
        const logins = yield* Wire.login(appId, username ?? "ada", "wrong horse battery").pipe(
          Effect.flatMap((answer) => Queue.offer(answers, answer)),
          Effect.replicateEffect(flood, { concurrency: "unbounded" }),
          Effect.forkChild
        )
        for (let refused = 0; refused < flood - served; refused++) {
          const answer = yield* Queue.take(answers)
          Wire.isProblem(answer, 503, "unavailable")
          assert.match(answer.headers.get("retry-after") ?? "", /^[1-9]\d*$/)
        }
        const [metrics, ...meanwhile] = yield* Effect.all([
          call("GET", "/metrics"),
          Wire.me(bob.token),
          Wire.refresh(bob.refresh_token),
          Server.autoAuth(tenant.api_key, { username: "bob" }),
          call("GET", "/ready")
        ], { concurrency: "unbounded" })
        assert.deepEqual(meanwhile.map(({ status }) => status), [200, 200, 200, 200])
        // All of them while logins still hash or wait; how far the first has come is the machine's affair.
        assert.isBelow(yield* Queue.size(answers), served)
        assert.match(metrics.text, /^roomkey_hash_queue [123]$/m)
        yield* Fiber.join(logins)
        for (const answer of yield* Queue.takeN(answers, served)) Wire.isProblem(answer, 401, "invalid_credentials")
      }))
  }

  it.effect("refuses a new password too while the queue is full, and leaves the old one", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const { id } = yield* Wire.createUser(tenant, "ada")
      const answers = yield* Effect.all(
        Array.from({ length: flood }, (_, n) => Wire.setPassword(tenant, id, `another horse battery ${n}`)),
        { concurrency: "unbounded" }
      )
      const refused = answers.filter(({ status }) => status === 503)
      assert.strictEqual(refused.length, flood - served)
      const set = [...answers.keys()].filter((n) => answers[n]!.status === 204)
      assert.strictEqual(set.length, served)
      const logins = yield* Effect.forEach(set, (n) => Wire.login(tenant.app_id, "ada", `another horse battery ${n}`))
      assert.deepEqual(logins.map(({ status }) => status).sort(), [200, 401, 401])
      Wire.isProblem(yield* Wire.login(tenant.app_id, "ada", Wire.password), 401, "invalid_credentials")
    }))

  it.effect("leaves a place to the login of another tenant, however many come for the one", () =>
    Effect.gen(function* () {
      const [attacked, other] = [yield* Wire.makeTenant, yield* Wire.makeTenant]
      yield* Wire.createUser(attacked, "ada")
      yield* Wire.createUser(other, "ada")
      const answers = yield* Queue.unbounded<Server.Answer>()
      const logins = yield* Wire.login(attacked.app_id, "ada", "wrong horse battery").pipe(
        Effect.flatMap((answer) => Queue.offer(answers, answer)),
        Effect.replicateEffect(flood, { concurrency: "unbounded" }),
        Effect.forkChild
      )
      // The queue is full once the first is refused.
      yield* Queue.take(answers)
      const answer = yield* Wire.login(other.app_id, "ada", Wire.password)
      assert.strictEqual(answer.status, 200, answer.text)
      yield* Fiber.join(logins)
    }))
})
