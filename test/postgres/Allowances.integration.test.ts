// The statements of a password login: one pays for the attempt and finds the account, one opens the session and gives the
// attempt back.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { hash as digestOf } from "node:crypto"
import type { Claim } from "../../src/domain/RateLimit.ts"
import { RateLimits } from "../../src/services/RateLimits.ts"
import { TenantRepository } from "../../src/services/TenantRepository.ts"
import { TokenCodec } from "../../src/services/TokenCodec.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import { UserRepository } from "../../src/services/UserRepository.ts"
import { holding, oneConnection, waiting } from "../support/Locks.ts"
import * as World from "../support/World.ts"

const account = (subject: string): Claim => ({ action: "login_account", subject })
const address = (subject: string): Claim => ({ action: "login_address", subject })

const limits = { LIMIT_LOGIN_ACCOUNT: "2", LIMIT_LOGIN_ADDRESS: "3" }

const hash = "the hash of a password"

let worlds = 0

/** A tenant, a user of it with a password, and the claims of whoever signs in as that user; nobody else's are the same. */
const fresh = Effect.gen(function* () {
  const users = yield* UserRepository
  const store = yield* TokenStore
  const codec = yield* TokenCodec
  const { appId, id: tenantId } = yield* World.makeTenant()
  const { id: userId } = yield* users.create(tenantId, { username: World.username("ada") }, hash)
  const home = `home ${worlds++}`
  const claims = [account(`ada ${home}`), address(home)]
  const begin = (username = "ada", by: ReadonlyArray<Claim> = claims) => users.beginLogin(appId, username, by)
  const open = (passwordHash = hash) =>
    Effect.flatMap(
      codec.mintSession,
      (tokens) => store.openForPassword(tenantId, userId, passwordHash, tokens, claims)
    )
  return { appId, tenantId, userId, home, claims, begin, open }
})

const outcome = <A, E extends { readonly _tag: string }, R>(call: Effect.Effect<A, E, R>) =>
  Effect.match(call, { onFailure: ({ _tag }) => _tag, onSuccess: () => "ok" })

/** Pays for attempts until one is refused, and answers how many were granted. */
const left = <R>(take: Effect.Effect<unknown, { readonly _tag: string }, R>) =>
  Effect.gen(function* () {
    for (let granted = 0;; granted++) {
      const became = yield* outcome(take)
      if (became === "RateLimited") return granted
      assert.strictEqual(became, "ok")
    }
  })

/** Holds the turn of a user's sign-ins. */
const holdTurn = (userId: number) => holding(`select pg_advisory_xact_lock(1, hashint8(${userId}))::text as locked`)

/** Locks the row of a claim. */
const lock = ({ action, subject }: Claim) =>
  `select from rate_limits where key = '${action} ${digestOf("sha256", subject, "base64url")}' for update`

/** Returns once a statement waits for a lock that met it before. */
const waitingAgain = Effect.flatMap(
  PgClient,
  (sql) =>
    sql<{ again: boolean }>`select exists (select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query_start > xact_start) as again`.pipe(
      Effect.repeat({ until: ([row]) => row!.again })
    )
)

layer(World.layer(limits), { excludeTestServices: true, timeout: "60 seconds" })("Allowances", (it) => {
  it.effect("pay for a login and find its account, whether or not there is one", () =>
    Effect.gen(function* () {
      const { begin, claims, home, tenantId, userId } = yield* fresh
      const users = yield* UserRepository
      assert.deepStrictEqual(Option.getOrThrow(yield* begin()), {
        tenantId,
        tenantSuspended: false,
        user: { id: userId, banned: false, passwordHash: hash }
      })
      assert.strictEqual(yield* left(begin("nobody", [claims[0]!])), 1)
      const stranger = [account(`nobody ${home}`), address(`elsewhere ${home}`)]
      assert.deepStrictEqual(Option.getOrThrow(yield* begin("nobody", stranger)), {
        tenantId,
        tenantSuspended: false,
        user: null
      })
      assert.isTrue(Option.isNone(yield* users.beginLogin("no app", "ada", stranger)))
      assert.strictEqual(yield* left(begin("nobody", stranger)), 0)
      yield* (yield* TenantRepository).update(tenantId, { suspended: true })
      yield* users.update(tenantId, userId, { banned: true })
      const shut = Option.getOrThrow(yield* begin("ada", [account(`again ${home}`)]))
      assert.deepStrictEqual([shut.tenantSuspended, shut.user?.banned], [true, true])
    }))

  it.effect("cost a login nothing after a claim that has none left, nor before it", () =>
    Effect.gen(function* () {
      const { begin, claims, home } = yield* fresh
      assert.strictEqual(yield* left(begin()), 2)
      for (let time = 0; time < 5; time++) assert.strictEqual(yield* outcome(begin()), "RateLimited")
      yield* begin("ada", [claims[1]!])
      const other = account(`other ${home}`)
      for (let time = 0; time < 5; time++) {
        assert.strictEqual(yield* outcome(begin("ada", [other, claims[1]!])), "RateLimited")
      }
      assert.strictEqual(yield* left(begin("ada", [other])), 2)
    }))

  it.effect("grant as many logins as are left of a hundred at once", () =>
    Effect.gen(function* () {
      const { begin } = yield* fresh
      const became = yield* Effect.replicateEffect(outcome(begin()), 100, { concurrency: "unbounded" })
      assert.strictEqual(became.filter((each) => each === "ok").length, 2)
    }))

  it.effect("are remembered as run out by every statement, until one gives back", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      const sql = yield* PgClient
      const { begin, claims, open } = yield* fresh
      const forgotten = sql`delete from rate_limits`
      assert.strictEqual(yield* left(limits.takeAll(claims)), 2)
      yield* forgotten
      assert.strictEqual(yield* outcome(begin()), "RateLimited")
      yield* open()
      assert.strictEqual(yield* left(begin()), 2)
      yield* forgotten
      assert.strictEqual(yield* outcome(limits.takeAll(claims)), "RateLimited")
      yield* limits.giveBack(claims)
      assert.strictEqual(yield* outcome(begin()), "ok")
    }))

  it.effect("come back with the session that is opened, one of each", () =>
    Effect.gen(function* () {
      const { begin, claims, open } = yield* fresh
      yield* begin()
      for (let time = 0; time < 5; time++) {
        yield* begin()
        const { evicted, user } = yield* open()
        assert.deepStrictEqual([user.username, evicted], ["ada", []])
      }
      assert.strictEqual(yield* left(begin()), 1)
      assert.strictEqual(yield* left(begin("ada", [claims[1]!])), 1)
    }))

  it.effect("come back where no session is opened", () =>
    Effect.gen(function* () {
      const { begin, claims, open, tenantId, userId } = yield* fresh
      const users = yield* UserRepository
      const tenants = yield* TenantRepository
      const sql = yield* PgClient
      const refused = Effect.fnUntraced(function* (by: string, passwordHash?: string) {
        for (let time = 0; time < 5; time++) {
          yield* begin()
          assert.strictEqual(yield* outcome(open(passwordHash)), by)
        }
      })
      yield* refused("InvalidCredentials", "the hash of another password")
      yield* users.update(tenantId, userId, { banned: true })
      yield* refused("UserBanned")
      yield* tenants.update(tenantId, { suspended: true })
      yield* refused("TenantSuspended")
      yield* users.remove(tenantId, userId)
      yield* refused("InvalidCredentials")
      assert.deepStrictEqual(yield* sql`select from sessions where user_id = ${userId}`, [])
      assert.strictEqual(yield* left(begin()), 2)
      assert.strictEqual(yield* left(begin("ada", [claims[1]!])), 1)
    }))

  it.effect("make room for the session as they come back", () =>
    Effect.gen(function* () {
      const { begin, open, tenantId, userId } = yield* fresh
      const store = yield* TokenStore
      const evicted: Array<string> = []
      for (let time = 0; time < 102; time++) {
        yield* begin()
        evicted.push(...(yield* open()).evicted)
      }
      assert.strictEqual(evicted.length, 2)
      assert.strictEqual((yield* store.list(tenantId, userId)).length, 100)
    }))

  it.effect.skipIf(oneConnection)(
    "come back when a ban undoes the session that was to be opened",
    () =>
      Effect.gen(function* () {
        const { begin, open, userId } = yield* fresh
        const sql = yield* PgClient
        const release = yield* holding(`update users set banned_at = now()
        where id = ${userId} and pg_advisory_xact_lock(1, hashint8(id))::text is not null`)
        yield* begin()
        const opening = yield* Effect.forkChild(outcome(open()))
        yield* waiting(1)
        yield* release
        assert.strictEqual(yield* Fiber.join(opening), "InvalidCredentials")
        assert.deepStrictEqual(yield* sql`select from sessions where user_id = ${userId}`, [])
        assert.strictEqual(yield* left(begin()), 2)
      }).pipe(Effect.scoped)
  )

  it.effect.skipIf(oneConnection)(
    "are nobody's to wait for while a sign-in waits for its user's turn",
    () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const { begin, claims, open, userId } = yield* fresh
        yield* begin()
        const release = yield* holdTurn(userId)
        const opening = yield* Effect.forkChild(outcome(open()))
        yield* waitingAgain
        yield* limits.takeAll(claims)
        yield* limits.giveBack(claims)
        assert.isUndefined(opening.pollUnsafe())
        yield* release
        assert.strictEqual(yield* Fiber.join(opening), "ok")
        assert.strictEqual(yield* left(begin()), 2)
      }).pipe(Effect.scoped)
  )

  it.effect.skipIf(oneConnection)(
    "are locked in their order: who waits for an account keeps no address waiting",
    () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        const { begin, claims, open } = yield* fresh
        yield* begin()
        for (const call of [outcome(open()), outcome(begin())]) {
          const release = yield* holding(lock(claims[0]!))
          const calling = yield* Effect.forkChild(call)
          yield* waitingAgain
          yield* limits.takeAll([claims[1]!])
          yield* limits.giveBack([claims[1]!])
          assert.isUndefined(calling.pollUnsafe())
          yield* release
          assert.strictEqual(yield* Fiber.join(calling), "ok")
        }
      }).pipe(Effect.scoped)
  )

  it.effect.skipIf(oneConnection)(
    "that are locked are taken and given back once they are not, and once",
    () =>
      Effect.gen(function* () {
        const sql = yield* PgClient
        const { begin, claims, open, userId } = yield* fresh
        yield* begin()
        for (const claim of claims) {
          for (const call of [outcome(open()), outcome(begin())]) {
            const release = yield* holding(lock(claim))
            const calling = yield* Effect.forkChild(call)
            yield* waitingAgain
            yield* release
            assert.strictEqual(yield* Fiber.join(calling), "ok")
          }
        }
        assert.strictEqual((yield* sql`select from sessions where user_id = ${userId}`).length, 2)
        assert.strictEqual(yield* left(begin()), 1)
      }).pipe(Effect.scoped)
  )
})

layer(World.layer({ LIMIT_LOGIN_ACCOUNT: "1000", LIMIT_LOGIN_ADDRESS: "1000" }), {
  excludeTestServices: true,
  timeout: "60 seconds"
})("Allowances of many", (it) => {
  it.effect("are right after logins of several users from one address at once, none of which stops another", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const limits = yield* RateLimits
      const store = yield* TokenStore
      const users = yield* UserRepository
      const codec = yield* TokenCodec
      const { appId, id } = yield* World.makeTenant()
      const logins = yield* Effect.forEach(
        ["ada", "bob", "eve"],
        (name) =>
          Effect.map(users.create(id, { username: World.username(name) }, hash), (user) => {
            const claims = [account(name), address("school")]
            return Effect.gen(function* () {
              yield* users.beginLogin(appId, name, claims)
              yield* store.openForPassword(id, user.id, hash, yield* codec.mintSession, claims)
              yield* limits.takeAll(claims)
              yield* limits.giveBack(claims)
            })
          })
      )
      const became = yield* Effect.all(
        Array.from({ length: 120 }, (_, n) => outcome(logins[n % 3]!)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...new Set(became)], ["ok"])
      assert.deepStrictEqual(yield* sql`select distinct count::int as count from rate_limits`, [{ count: 0 }])
      assert.strictEqual((yield* sql`select from sessions`).length, 120)
    }))
})
