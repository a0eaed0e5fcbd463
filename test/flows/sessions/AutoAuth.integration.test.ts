import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Redacted } from "effect"
import { authenticate } from "../../../src/flows/sessions/Authenticate.ts"
import * as World from "../../support/World.ts"

const tag = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error._tag)

const parallel = { concurrency: "unbounded" } as const

layer(World.layer(), { timeout: "60 seconds" })("autoAuth", (it) => {
  it.effect("makes a user once and finds it again", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      const first = yield* World.signIn(apiKey, "ada")
      const second = yield* World.signIn(apiKey, "ada")
      assert.strictEqual(first.user.id, second.user.id)
      assert.notStrictEqual(first.sessionId, second.sessionId)
      assert.deepEqual(first.user, {
        id: first.user.id,
        username: "ada",
        customId: null,
        pictureUrl: null,
        metadata: null
      })
    }))

  it.effect("makes one user and a hundred sessions of a hundred equal calls at once", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      const all = yield* Effect.all(Array.from({ length: 100 }, () => World.signIn(apiKey, "crowd")), parallel)
      assert.strictEqual(new Set(all.map(({ user }) => user.id)).size, 1)
      assert.strictEqual(new Set(all.map(({ sessionId }) => sessionId)).size, 100)
      yield* Effect.all(all.map(({ token }) => authenticate(token)), parallel)
    }))

  it.effect("burns no id, however often and however many at once it finds the same user", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      const [one] = yield* Effect.all(Array.from({ length: 20 }, () => World.signIn(apiKey, "one")), parallel)
      const two = yield* World.signIn(apiKey, "two")
      assert.strictEqual(two.user.id, one!.user.id + 1)
    }))

  it.effect("burns no id where twenty new users ask for one custom id at once: one gets it", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      const one = yield* World.signIn(apiKey, "before")
      const asked = yield* Effect.all(
        Array.from(
          { length: 20 },
          (_, n) => Effect.exit(World.signIn(apiKey, `new ${n}`, { customId: World.customId("c") }))
        ),
        parallel
      )
      assert.strictEqual(asked.filter(Exit.isSuccess).length, 1)
      const two = yield* World.signIn(apiKey, "after")
      assert.strictEqual(two.user.id, one.user.id + 2)
    }))

  it.effect("writes nothing but the session row for a known user with the same profile", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { apiKey } = yield* World.makeTenant()
      const profile = {
        customId: World.customId("c"),
        pictureUrl: World.pictureUrl("https://a.example/p"),
        metadata: World.metadata({ a: 1 })
      }
      const { user } = yield* World.signIn(apiKey, "ada", profile)
      const version = sql<{ version: string }>`select xmin::text || ' ' || xmax::text || ' ' || ctid::text as version
        from users where id = ${user.id}`
      const before = yield* version
      yield* World.signIn(apiKey, "ada", profile)
      assert.deepEqual(yield* version, before)
    }))

  it.effect("keeps picture_url and custom_id when they are absent, and clears metadata", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      yield* World.signIn(apiKey, "ada", {
        customId: World.customId("c"),
        pictureUrl: World.pictureUrl("https://a.example/p"),
        metadata: World.metadata({ a: 1 })
      })
      const { user } = yield* World.signIn(apiKey, "ada")
      assert.strictEqual(user.customId, "c")
      assert.strictEqual(user.pictureUrl, "https://a.example/p")
      assert.isNull(user.metadata)
    }))

  it.effect("updates picture_url and replaces metadata", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      yield* World.signIn(apiKey, "ada", {
        pictureUrl: World.pictureUrl("https://a.example/1"),
        metadata: World.metadata({ a: 1 })
      })
      const { token, user } = yield* World.signIn(apiKey, "ada", {
        pictureUrl: World.pictureUrl("https://a.example/2"),
        metadata: World.metadata({ b: 2 })
      })
      assert.strictEqual(user.pictureUrl, "https://a.example/2")
      assert.deepEqual(user.metadata, { b: 2 })
      assert.deepEqual((yield* authenticate(token)).user, user)
    }))

  it.effect("keeps __proto__ in metadata as plain data", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      const { token } = yield* World.signIn(apiKey, "ada", {
        metadata: World.metadata(JSON.parse('{"__proto__":{"x":1}}'))
      })
      const { user } = yield* authenticate(token)
      assert.strictEqual(JSON.stringify(user.metadata), '{"__proto__":{"x":1}}')
    }))

  it.effect("sets custom_id once: the same value is fine, another is refused and changes nothing", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      yield* World.signIn(apiKey, "ada")
      const { token } = yield* World.signIn(apiKey, "ada", {
        customId: World.customId("c"),
        metadata: World.metadata({ a: 1 })
      })
      yield* World.signIn(apiKey, "ada", { customId: World.customId("c"), metadata: World.metadata({ a: 1 }) })
      assert.strictEqual(
        yield* tag(World.signIn(apiKey, "ada", { customId: World.customId("d"), metadata: World.metadata({ z: 1 }) })),
        "CustomIdImmutable"
      )
      const { user } = yield* authenticate(token)
      assert.deepEqual([user.customId, user.metadata], ["c", { a: 1 }])
    }))

  it.effect("refuses a custom_id of another user, known or new, and makes no user", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      yield* World.signIn(apiKey, "ada", { customId: World.customId("c") })
      yield* World.signIn(apiKey, "bob")
      assert.strictEqual(yield* tag(World.signIn(apiKey, "bob", { customId: World.customId("c") })), "CustomIdTaken")
      assert.strictEqual(yield* tag(World.signIn(apiKey, "eve", { customId: World.customId("c") })), "CustomIdTaken")
      const sql = yield* PgClient
      const eves = yield* sql`select from users where username = 'eve'`
      assert.strictEqual(eves.length, 0)
    }))

  it.effect("gives a custom_id to one of many that ask for it at once", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      const outcomes = yield* Effect.all(
        Array.from({ length: 10 }, (_, index) =>
          World.signIn(apiKey, `user ${index}`, { customId: World.customId("wanted") }).pipe(
            Effect.match({
              onSuccess: () =>
                "Success",
              onFailure: (error) => error._tag
            })
          )),
        parallel
      )
      assert.strictEqual(
        outcomes.filter((outcome) =>
          outcome === "Success"
        ).length,
        1
      )
      assert.strictEqual(outcomes.filter((outcome) => outcome === "CustomIdTaken").length, 9)
    }))

  it.effect("keeps at most a hundred live sessions a user: one more ends the oldest", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      const oldest = yield* World.signIn(apiKey, "busy")
      const second = yield* World.signIn(apiKey, "busy")
      yield* Effect.all(Array.from({ length: 98 }, () => World.signIn(apiKey, "busy")), parallel)
      yield* authenticate(oldest.token)
      yield* World.signIn(apiKey, "busy")
      assert.strictEqual(yield* tag(authenticate(oldest.token)), "InvalidToken")
      yield* authenticate(second.token)
    }))

  it.effect("holds the limit although many sign in at once", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      const all = yield* Effect.all(Array.from({ length: 160 }, () => World.signIn(apiKey, "flood")), parallel)
      const alive = yield* Effect.all(
        all.map(({ token }) => Effect.match(authenticate(token), { onSuccess: () => 1, onFailure: () => 0 })),
        parallel
      )
      assert.strictEqual(alive.reduce<number>((sum, one) => sum + one, 0), 100)
    }))

  it.effect("refuses a key that is unknown, malformed, revoked or expired, each in the same way", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { apiKey } = yield* World.makeTenant()
      const key = Redacted.value(apiKey)
      for (
        const bad of [
          "",
          "vc_",
          key.slice(0, -1),
          key.slice(0, -32) + "0".repeat(32),
          key.slice(3),
          "vc_" + "0".repeat(64)
        ]
      ) {
        assert.strictEqual(yield* tag(World.signIn(Redacted.make(bad), "ada")), "InvalidApiKey")
      }
      yield* World.signIn(apiKey, "ada")
      const id = key.slice(3, 35)
      yield* sql`update api_keys set expires_at = now() where id = ${id}::uuid`
      assert.strictEqual(yield* tag(World.signIn(apiKey, "ada")), "InvalidApiKey")
      yield* sql`update api_keys set expires_at = null, revoked_at = now() where id = ${id}::uuid`
      assert.strictEqual(yield* tag(World.signIn(apiKey, "ada")), "InvalidApiKey")
    }))

  it.effect("refuses a suspended tenant and a banned user, new sessions and old", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { apiKey, id } = yield* World.makeTenant()
      const { token, user } = yield* World.signIn(apiKey, "ada")
      yield* sql`update users set banned_at = now() where id = ${user.id}`
      assert.strictEqual(yield* tag(World.signIn(apiKey, "ada")), "UserBanned")
      assert.strictEqual(yield* tag(authenticate(token)), "UserBanned")
      yield* sql`update users set banned_at = null where id = ${user.id}`
      yield* sql`update tenants set suspended_at = now() where id = ${id}`
      assert.strictEqual(yield* tag(World.signIn(apiKey, "ada")), "TenantSuspended")
      assert.strictEqual(yield* tag(World.signIn(apiKey, "new")), "TenantSuspended")
      assert.strictEqual(yield* tag(authenticate(token)), "TenantSuspended")
    }))

  it.effect("keeps two tenants' users of one name apart", () =>
    Effect.gen(function* () {
      const one = yield* World.makeTenant()
      const other = yield* World.makeTenant()
      const here = yield* World.signIn(one.apiKey, "ada", { customId: World.customId("c") })
      const there = yield* World.signIn(other.apiKey, "ada", { customId: World.customId("c") })
      assert.notStrictEqual(here.user.id, there.user.id)
      assert.strictEqual((yield* authenticate(there.token)).tenantId, other.id)
    }))
})
