import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { authenticate } from "../../../src/flows/sessions/Authenticate.ts"
import { logout } from "../../../src/flows/sessions/Logout.ts"
import { refreshSession } from "../../../src/flows/sessions/RefreshSession.ts"
import { age } from "../../support/Time.ts"
import * as World from "../../support/World.ts"

const signIn = Effect.gen(function* () {
  const tenant = yield* World.makeTenant()
  return yield* World.signIn(tenant.apiKey, "ada")
})

const tag = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

const text = (pair: { readonly token: Redacted.Redacted; readonly refreshToken: Redacted.Redacted }) => [
  Redacted.value(pair.token),
  Redacted.value(pair.refreshToken)
]

layer(World.layer(), { timeout: "60 seconds" })("refreshSession", (it) => {
  it.effect("gives a new pair that works, of the same session", () =>
    Effect.gen(function* () {
      const first = yield* signIn
      const second = yield* refreshSession(first.refreshToken)
      assert.notDeepEqual(text(second), text(first))
      assert.strictEqual(second.expiresIn, 3600)
      const principal = yield* authenticate(second.token)
      assert.strictEqual(principal.sessionId, first.sessionId)
      yield* refreshSession(second.refreshToken)
    }))

  it.effect("gives the same pair again within the grace window", () =>
    Effect.gen(function* () {
      const first = yield* signIn
      const second = yield* refreshSession(first.refreshToken)
      yield* age(first.sessionId, 29)
      const again = yield* refreshSession(first.refreshToken)
      assert.deepEqual(text(again), text(second))
      assert.isAtMost(again.expiresIn, 3600 - 29)
    }))

  it.effect("gives the same pair within the grace window although its session token was used", () =>
    Effect.gen(function* () {
      const first = yield* signIn
      const second = yield* refreshSession(first.refreshToken)
      yield* authenticate(second.token)
      assert.deepEqual(text(yield* refreshSession(first.refreshToken)), text(second))
    }))

  // @see https://github.com/keycloak/keycloak/issues/49213
  it.effect("holds nothing against a refresh that the database failed at its commit: tried again, it succeeds", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const first = yield* signIn
      const row = sql`select * from sessions where id = ${first.sessionId}`
      yield* authenticate(first.token)
      const before = yield* row
      yield* sql`create function away_at_commit() returns trigger language plpgsql as
        $$ begin raise exception 'away' using errcode = '57P01'; end $$`
      yield* sql`create constraint trigger away_at_commit after update on sessions deferrable initially deferred
        for each row execute function away_at_commit()`
      for (let time = 0; time < 3; time++) {
        assert.strictEqual(yield* tag(refreshSession(first.refreshToken)), "StoreUnavailable")
      }
      yield* sql`drop trigger away_at_commit on sessions`
      assert.deepEqual(yield* row, before)
      yield* authenticate(first.token)
      const second = yield* refreshSession(first.refreshToken)
      assert.strictEqual((yield* authenticate(second.token)).sessionId, first.sessionId)
    }))

  it.effect("gives one successor to fifty calls at once", () =>
    Effect.gen(function* () {
      const first = yield* signIn
      const pairs = yield* Effect.all(Array.from({ length: 50 }, () => refreshSession(first.refreshToken)), {
        concurrency: "unbounded"
      })
      assert.strictEqual(new Set(pairs.map((pair) => text(pair).join())).size, 1)
      yield* authenticate(pairs[0]!.token)
    }))

  it.effect("keeps the old session token good for the grace window, and no longer", () =>
    Effect.gen(function* () {
      const first = yield* signIn
      yield* refreshSession(first.refreshToken)
      yield* age(first.sessionId, 29)
      yield* authenticate(first.token)
      yield* age(first.sessionId, 2)
      assert.strictEqual(yield* tag(authenticate(first.token)), "TokenExpired")
    }))

  it.effect("takes a phone back that slept through the answer to its refresh", () =>
    Effect.gen(function* () {
      const first = yield* signIn
      const lost = yield* refreshSession(first.refreshToken)
      yield* age(first.sessionId, 8 * 3600)
      const third = yield* refreshSession(first.refreshToken)
      assert.notDeepEqual(text(third), text(lost))
      yield* authenticate(third.token)
    }))

  it.effect("ends the session when the unused successor turns up after it was replaced", () =>
    Effect.gen(function* () {
      const first = yield* signIn
      const lost = yield* refreshSession(first.refreshToken)
      yield* age(first.sessionId, 31)
      const third = yield* refreshSession(first.refreshToken)
      assert.strictEqual(yield* tag(refreshSession(lost.refreshToken)), "RefreshTokenReused")
      assert.strictEqual(yield* tag(authenticate(third.token)), "InvalidToken")
    }))

  it.effect("ends the session when an old token is presented after its successor's session token was accepted", () =>
    Effect.gen(function* () {
      const first = yield* signIn
      const second = yield* refreshSession(first.refreshToken)
      yield* authenticate(second.token)
      yield* age(first.sessionId, 31)
      assert.strictEqual(yield* tag(refreshSession(first.refreshToken)), "RefreshTokenReused")
      assert.strictEqual(yield* tag(authenticate(second.token)), "InvalidToken")
      assert.strictEqual(yield* tag(refreshSession(second.refreshToken)), "RefreshTokenReused")
    }))

  it.effect("ends the session on a token many rotations old, within every grace window", () =>
    Effect.gen(function* () {
      const first = yield* signIn
      let pair: { readonly refreshToken: Redacted.Redacted; readonly token: Redacted.Redacted } = first
      for (let rotation = 0; rotation < 5; rotation++) pair = yield* refreshSession(pair.refreshToken)
      assert.strictEqual(yield* tag(refreshSession(first.refreshToken)), "RefreshTokenReused")
      assert.strictEqual(yield* tag(authenticate(pair.token)), "InvalidToken")
    }))

  it.effect("ends the session on any other secret under its id", () =>
    Effect.gen(function* () {
      const first = yield* signIn
      const forged = Redacted.make(Redacted.value(first.refreshToken).slice(0, 32) + "0".repeat(32))
      assert.strictEqual(yield* tag(refreshSession(forged)), "RefreshTokenReused")
      assert.strictEqual(yield* tag(authenticate(first.token)), "InvalidToken")
    }))

  it.effect("leaves the user's other sessions alone when one ends by reuse", () =>
    Effect.gen(function* () {
      const tenant = yield* World.makeTenant()
      const phone = yield* World.signIn(tenant.apiKey, "ada")
      const laptop = yield* World.signIn(tenant.apiKey, "ada")
      const forged = Redacted.make(Redacted.value(phone.refreshToken).slice(0, 32) + "0".repeat(32))
      assert.strictEqual(yield* tag(refreshSession(forged)), "RefreshTokenReused")
      yield* authenticate(laptop.token)
    }))

  it.effect("does not know a token whose id names no session, nor one that is no token", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* tag(refreshSession(Redacted.make("0".repeat(64)))), "InvalidRefreshToken")
      for (const odd of ["", "x", "F".repeat(64), "0".repeat(63), "0".repeat(65), "\u0000".repeat(64)]) {
        assert.strictEqual(yield* tag(refreshSession(Redacted.make(odd))), "InvalidRefreshToken")
      }
    }))

  it.effect("refuses a session that was logged out without calling it reuse", () =>
    Effect.gen(function* () {
      const first = yield* signIn
      yield* logout(yield* authenticate(first.token))
      assert.strictEqual(yield* tag(refreshSession(first.refreshToken)), "InvalidRefreshToken")
    }))

  it.effect("refuses a refresh token that nobody used for thirty days, and a session of ninety", () =>
    Effect.gen(function* () {
      const idle = yield* signIn
      yield* age(idle.sessionId, 30 * 86_400 + 1)
      assert.strictEqual(yield* tag(refreshSession(idle.refreshToken)), "InvalidRefreshToken")

      let pair: { readonly refreshToken: Redacted.Redacted; readonly token: Redacted.Redacted } = yield* signIn
      const { sessionId } = yield* authenticate(pair.token)
      for (let month = 0; month < 3; month++) {
        yield* age(sessionId, 29 * 86_400)
        pair = yield* refreshSession(pair.refreshToken)
      }
      yield* age(sessionId, 3 * 86_400 + 1)
      assert.strictEqual(yield* tag(refreshSession(pair.refreshToken)), "InvalidRefreshToken")
      assert.strictEqual(yield* tag(authenticate(pair.token)), "TokenExpired")
    }))

  it.effect("never gives a token a longer life than its session has left", () =>
    Effect.gen(function* () {
      const first = yield* signIn
      yield* age(first.sessionId, 29 * 86_400)
      const second = yield* refreshSession(first.refreshToken)
      yield* age(first.sessionId, 29 * 86_400)
      const third = yield* refreshSession(second.refreshToken)
      yield* age(first.sessionId, 29 * 86_400)
      const fourth = yield* refreshSession(third.refreshToken)
      yield* age(first.sessionId, 3 * 86_400 - 60)
      const last = yield* refreshSession(fourth.refreshToken)
      assert.isAtMost(last.expiresIn, 60)
    }))
})
