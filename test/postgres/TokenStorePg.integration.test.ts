import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { refreshSession } from "../../src/flows/sessions/RefreshSession.ts"
import { TokenCodec } from "../../src/services/TokenCodec.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import * as World from "../support/World.ts"

layer(World.layer(), { timeout: "60 seconds" })("TokenStorePg", (it) => {
  it.effect("refreshes in place: every update of a session is heap-only, so no index grows", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { apiKey } = yield* World.makeTenant()
      for (let user = 0; user < 20; user++) {
        let pair: { readonly refreshToken: typeof apiKey } = yield* World.signIn(apiKey, `user ${user}`)
        for (let rotation = 0; rotation < 5; rotation++) pair = yield* refreshSession(pair.refreshToken)
      }
      yield* sql`select pg_stat_force_next_flush()`
      const [updates] = yield* sql<{ all_of_them: bigint; heap_only: bigint }>`
        select n_tup_upd as all_of_them, n_tup_hot_upd as heap_only from pg_stat_user_tables where relname = 'sessions'`
      assert.isAtLeast(Number(updates!.all_of_them), 100)
      assert.strictEqual(updates!.heap_only, updates!.all_of_them)
    }))

  it.effect("keeps digests only: neither token of a session is anywhere in its row", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const codec = yield* TokenCodec
      const { apiKey } = yield* World.makeTenant()
      const { refreshToken, token } = yield* World.signIn(apiKey, "ada")
      const [row] = yield* sql<{ text: string }>`select sessions::text as text from sessions
        order by created_at desc limit 1`
      for (const secret of [token, refreshToken]) {
        const presented = Option.getOrThrow(codec.parseToken(secret))
        assert.include(row!.text, Buffer.from(presented.digest).toString("hex"))
      }
      const key = Option.getOrThrow(codec.parseApiKey(apiKey))
      const keys = yield* sql<{ text: string }>`select api_keys::text as text from api_keys where id = ${key.id}`
      assert.include(keys[0]!.text, Buffer.from(key.digest).toString("hex"))
    }))

  it.effect("ends a session once: the second call says that it was over", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore
      const { apiKey } = yield* World.makeTenant()
      const { sessionId } = yield* World.signIn(apiKey, "ada")
      assert.isTrue(yield* store.end(sessionId, "revoked"))
      assert.isFalse(yield* store.end(sessionId, "logout"))
      const record = Option.getOrThrow(yield* store.find(sessionId))
      assert.strictEqual(record.endReason, "revoked")
    }))

  it.effect("reads many sessions at once and leaves out what is not there", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore
      const codec = yield* TokenCodec
      const { apiKey } = yield* World.makeTenant()
      const one = yield* World.signIn(apiKey, "ada")
      const two = yield* World.signIn(apiKey, "bob")
      const { sessionId: unknown } = yield* codec.mintSession
      const found = yield* store.findAll([one.sessionId, unknown, two.sessionId])
      assert.sameMembers(found.map(({ id }) => id), [one.sessionId, two.sessionId])
      assert.deepEqual(yield* store.findAll([]), [])
    }))
})
