import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Option, Redacted, Struct } from "effect"
import { randomUUID } from "node:crypto"
import type { SessionId, UserId } from "../../src/domain/Ids.ts"
import { refreshSession } from "../../src/flows/sessions/RefreshSession.ts"
import { createUserStatement, openManyNewStatement } from "../../src/postgres/SessionStatements.ts"
import { TokenCodec } from "../../src/services/TokenCodec.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import { holding, oneConnection, waiting } from "../support/Locks.ts"
import * as World from "../support/World.ts"

const parallel = { concurrency: "unbounded" } as const

/** What became of a call: `ok` or the failure's name. */
const outcome = <A, E extends { readonly _tag: string }, R>(call: Effect.Effect<A, E, R>) =>
  Effect.match(call, { onFailure: ({ _tag }) => _tag, onSuccess: () => "ok" })

/** Calls at once, behind so many others that they leave together. */
const behind = <A, E, R, B, E2, R2>(
  others: Effect.Effect<A, E, R>,
  calls: ReadonlyArray<Effect.Effect<B, E2, R2>>
) =>
  Effect.gen(function* () {
    const ahead = yield* Effect.forkChild(others, { startImmediately: true })
    const answers = yield* Effect.all(calls, { concurrency: "unbounded" })
    yield* Fiber.join(ahead)
    return answers
  })

const threeAhead = (call: (n: number) => Effect.Effect<unknown, unknown, TokenStore | TokenCodec>) =>
  Effect.all([call(0), call(1), call(2)], { concurrency: "unbounded" })

const writtenAt = Effect.fn("writtenAt")(
  function* (column: "created_at" | "rotated_at", ids: ReadonlyArray<SessionId>) {
    const sql = yield* PgClient
    const found = yield* sql.unsafe<{ at: string }>(
      `select distinct ${column}::text as at from sessions where id = any($1::uuid[])`,
      [ids]
    )
    return found.length
  }
)

/** What every call of a sign-in needs. */
const newSession = () => ({ id: randomUUID(), access_digest: "\\x00", refresh_digest: "\\x00" })

/** Which of the calls are answered. */
const openNew = Effect.fn("openNew")(function* (calls: ReadonlyArray<object>) {
  const sql = yield* PgClient
  const parameters = [JSON.stringify(calls), 60, 60, 60, 100]
  const opened = yield* sql.unsafe<{ ordinality: number }>(openManyNewStatement, parameters)
  return opened.map(({ ordinality }) => ordinality).toSorted()
})

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

  it.effect("signs many in by one statement, and gives each of them its own outcome", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const store = yield* TokenStore
      const codec = yield* TokenCodec
      const { apiKey, id: tenantId } = yield* World.makeTenant()
      const { id: keyId } = Option.getOrThrow(codec.parseApiKey(apiKey))
      const elsewhere = yield* World.makeTenant()
      const suspended = Option.getOrThrow(codec.parseApiKey(elsewhere.apiKey)).id
      yield* World.signIn(elsewhere.apiKey, "user")
      yield* sql`update tenants set suspended_at = now() where id = ${elsewhere.id}`
      const names = ["x0", "x1", "x2", "ada", "bob", "eve", "mallory"]
      for (const name of names) yield* World.signIn(apiKey, name)
      yield* sql`update users set custom_id = 'taken' where tenant_id = ${tenantId} and username = 'bob'`
      yield* sql`update users set banned_at = now() where tenant_id = ${tenantId} and username = 'mallory'`

      const opened: Array<SessionId> = []
      const signIn = (name: string, customId?: string, tenant = tenantId, key = keyId) =>
        Effect.gen(function* () {
          const tokens = yield* codec.mintSession
          const profile = { username: World.username(name), ...(customId === undefined ? {} : { customId }) }
          const { user } = yield* store.openForProfile(tenant, key, profile as never, tokens)
          assert.strictEqual(user.username, name)
          if (name === "ada" || name === "bob" || name === "eve") opened.push(tokens.sessionId)
        })
      const calls = [
        outcome(signIn("ada")),
        outcome(signIn("mallory")),
        outcome(signIn("new")),
        outcome(signIn("bob", "taken")),
        outcome(signIn("x0", "taken")),
        outcome(signIn("user", undefined, elsewhere.id, suspended)),
        outcome(signIn("user", undefined, elsewhere.id, keyId)),
        outcome(signIn("eve"))
      ]
      assert.deepEqual(yield* behind(threeAhead((n) => signIn(`x${n}`)), calls), [
        "ok",
        "UserBanned",
        "ok",
        "ok",
        "CustomIdTaken",
        "TenantSuspended",
        "InvalidApiKey",
        "ok"
      ])
      assert.strictEqual(yield* writtenAt("created_at", opened), 1)
    }))

  it.effect("signs many in by their passwords in one statement, and gives each of them its own outcome", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const store = yield* TokenStore
      const codec = yield* TokenCodec
      const { apiKey, id: tenantId } = yield* World.makeTenant()
      const elsewhere = yield* World.makeTenant()
      const ids = new Map<string, UserId>()
      for (const name of ["x0", "x1", "x2", "ada", "bob", "eve", "mallory"]) {
        ids.set(name, (yield* World.signIn(apiKey, name)).user.id)
      }
      ids.set("user", (yield* World.signIn(elsewhere.apiKey, "user")).user.id)
      yield* sql`update users set password_hash = 'hash', picture_url = 'https://example.com/' || username`
      yield* sql`update tenants set suspended_at = now() where id = ${elsewhere.id}`
      yield* sql`update users set banned_at = now() where id = ${ids.get("mallory")!}`

      const opened: Array<SessionId> = []
      const logIn = (name: string, hash = "hash", tenant = tenantId) =>
        Effect.gen(function* () {
          const tokens = yield* codec.mintSession
          const { expiresIn, user } = yield* store.openForPassword(tenant, ids.get(name)!, hash, tokens)
          assert.deepInclude(user, {
            id: ids.get(name)!,
            username: World.username(name),
            pictureUrl: `https://example.com/${name}`
          })
          assert.strictEqual(expiresIn, 3600)
          if (!name.startsWith("x")) opened.push(tokens.sessionId)
        })
      const calls = [
        outcome(logIn("ada")),
        outcome(logIn("mallory")),
        outcome(logIn("x0", "another hash")),
        outcome(logIn("user", "hash", elsewhere.id)),
        outcome(logIn("x1", "hash", elsewhere.id)),
        outcome(logIn("bob")),
        outcome(logIn("eve"))
      ]
      assert.deepEqual(yield* behind(threeAhead((n) => logIn(`x${n}`)), calls), [
        "ok",
        "UserBanned",
        "InvalidCredentials",
        "TenantSuspended",
        "InvalidCredentials",
        "ok",
        "ok"
      ])
      assert.strictEqual(yield* writtenAt("created_at", opened), 1)
      const owners = yield* sql<{ username: string }>`select u.username from sessions s join users u on u.id = s.user_id
        where s.id = any(${[...opened]}::uuid[]) order by username`
      assert.deepEqual(owners.map(({ username }) => username), ["ada", "bob", "eve"])
    }))

  it.effect("signs the others in by their passwords when that of one is another by now", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const store = yield* TokenStore
      const codec = yield* TokenCodec
      const { apiKey, id } = yield* World.makeTenant()
      const names = ["x0", "x1", "x2", "ada", "bob"]
      const users = yield* Effect.forEach(
        names,
        (name) => Effect.map(World.signIn(apiKey, name), ({ user }) => user.id)
      )
      yield* sql`update users set password_hash = 'hash' where tenant_id = ${id}`
      const logIn = (index: number) =>
        outcome(Effect.flatMap(codec.mintSession, (tokens) => store.openForPassword(id, users[index]!, "hash", tokens)))
      // Between the statement's first look at him and its second his password is changed.
      yield* sql.unsafe(`create function change_bob() returns trigger language plpgsql as $$
        begin
          update users set password_hash = 'another' where id = new.user_id;
          return new;
        end $$`)
      yield* sql.unsafe(
        `create trigger change_bob before insert on sessions for each row when (new.user_id = ${users[4]})
        execute function change_bob()`
      )
      const outcomes = yield* behind(threeAhead(logIn), [logIn(3), logIn(4)]).pipe(
        Effect.ensuring(Effect.orDie(sql.unsafe("drop function change_bob cascade")))
      )
      assert.deepEqual(outcomes, ["ok", "InvalidCredentials"])
    }))

  it.effect("signs one user in twice at once, and evicts for each", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { apiKey, id } = yield* World.makeTenant()
      for (let n = 0; n < 3; n++) yield* World.signIn(apiKey, `x${n}`)
      const ahead = Effect.all([0, 1, 2].map((n) => World.signIn(apiKey, `x${n}`)), { concurrency: "unbounded" })
      const full = Effect.all(Array.from({ length: 100 }, () => World.signIn(apiKey, "ada")), {
        concurrency: "unbounded"
      })
      yield* full
      const two = yield* behind(ahead, [World.signIn(apiKey, "ada"), World.signIn(apiKey, "ada")])
      assert.notStrictEqual(two[0]!.sessionId, two[1]!.sessionId)
      const open = yield* sql<{ id: SessionId }>`select s.id from sessions s join users u on u.id = s.user_id
        where u.tenant_id = ${id} and u.username = 'ada' and s.ended_at is null`
      assert.strictEqual(open.length, 100)
      assert.includeMembers(open.map((session) => session.id), two.map(({ sessionId }) => sessionId))
    }))

  it.effect("signs the others in when one of those that leave together makes their statement fail", () =>
    Effect.gen(function* () {
      const store = yield* TokenStore
      const codec = yield* TokenCodec
      const { apiKey, id } = yield* World.makeTenant()
      const { id: keyId } = Option.getOrThrow(codec.parseApiKey(apiKey))
      for (const name of ["x0", "x1", "x2", "ada", "bob", "eve"]) yield* World.signIn(apiKey, name)
      const used = yield* codec.mintSession
      const signIn = (name: string, tokens = codec.mintSession) =>
        Effect.flatMap(tokens, (minted) => store.openForProfile(id, keyId, { username: World.username(name) }, minted))
      yield* signIn("bob", Effect.succeed(used))
      // A session id is used once: the second is a bug, which none but its own caller may meet.
      const defect = Effect.catchDefect(signIn("bob", Effect.succeed(used)), () => Effect.succeed("defect"))
      const [ada, bob, eve] = yield* behind(threeAhead((n) => signIn(`x${n}`)), [signIn("ada"), defect, signIn("eve")])
      assert.strictEqual(typeof ada === "object" && ada.user.username, "ada")
      assert.strictEqual(bob, "defect")
      assert.strictEqual(typeof eve === "object" && eve.user.username, "eve")
    }))

  it.effect("makes many new users by few statements, each with its profile, and gives each its own outcome", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { apiKey, id } = yield* World.makeTenant()
      yield* World.signIn(apiKey, "first", { customId: World.customId("taken") })
      const profile = { pictureUrl: World.pictureUrl("https://a.example/p"), metadata: World.metadata({ a: 1 }) }
      const names = Array.from({ length: 60 }, (_, n) => `new ${n}`)
      const signIns = names.map((name, n) =>
        // Every tenth asks for the custom id that somebody has, and two others for one between them.
        World.signIn(apiKey, name, {
          ...profile,
          customId: World.customId(n % 10 === 0 ? "taken" : n === 55 ? "c54" : `c${n}`)
        }).pipe(
          Effect.match({ onFailure: ({ _tag }) => _tag, onSuccess: ({ user }) => user })
        )
      )
      const answers = yield* Effect.all(signIns, parallel)
      const expected = names.map((username, n) =>
        n % 10 === 0 || n === 55
          ? "CustomIdTaken"
          : { username, customId: `c${n}`, pictureUrl: profile.pictureUrl, metadata: { a: 1 } }
      )
      assert.deepEqual(
        answers.map((answer) => typeof answer === "string" ? answer : Struct.omit(answer, ["id"])),
        expected
      )
      const kept = yield* sql<{ users: number; statements: number; sessions: number }>`
        select count(distinct u.id)::int as users, count(distinct u.xmin::text)::int as statements, count(s.id)::int as sessions
        from users u left join sessions s on s.user_id = u.id where tenant_id = ${id} and username like 'new%'`
      assert.deepEqual(kept.map(({ sessions, users }) => ({ sessions, users })), [{ users: 53, sessions: 53 }])
      assert.isBelow(kept[0]!.statements, 20)
    }))

  it.effect("makes those of the new users that may be made, at the price of as many ids", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const codec = yield* TokenCodec
      const made = Effect.map(World.makeTenant(), ({ apiKey, id }) => ({
        tenant_id: id,
        api_key_id: Option.getOrThrow(codec.parseApiKey(apiKey)).id
      }))
      const [a, b, suspended, expired, revoked] = yield* Effect.all([made, made, made, made, made])
      yield* sql`update tenants set suspended_at = now() where id = ${suspended.tenant_id}`
      yield* sql`update api_keys set expires_at = now() where id = ${expired.api_key_id}`
      yield* sql`update api_keys set revoked_at = now() where id = ${revoked.api_key_id}`
      const calls = [
        { ...a, username: "ada", custom_id: "c" },
        { ...b, username: "ada", custom_id: "c" },
        { ...a, username: "of the same custom id", custom_id: "c" },
        { ...a, username: "by another's key", api_key_id: b.api_key_id },
        { ...suspended, username: "ada" },
        { ...expired, username: "ada" },
        { ...revoked, username: "ada" },
        { ...b, username: "bob" }
      ].map((call) => ({ ...call, ...newSession() }))
      const { user } = yield* Effect.flatMap(World.makeTenant(), ({ apiKey }) => World.signIn(apiKey, "before"))
      assert.deepEqual(yield* openNew(calls), [1, 2, 8])
      for (const { api_key_id, tenant_id } of [suspended, expired, revoked]) {
        yield* sql.unsafe(createUserStatement, [tenant_id, "alone", null, null, null, api_key_id])
      }
      const [ids] = yield* sql<{ last: number }>`select last_value::int as last from users_id_seq`
      assert.strictEqual(ids!.last, user.id + 3)
      const users = yield* sql<
        { tenant_id: number; username: string; custom_id: string | null; session: string | null }
      >`
        select tenant_id::int as tenant_id, username, custom_id, s.id as session
        from users u left join sessions s on s.user_id = u.id where u.id > ${user.id} order by 1, 2`
      assert.deepEqual(users, [
        { tenant_id: a.tenant_id, username: "ada", custom_id: "c", session: calls[0]!.id },
        { tenant_id: b.tenant_id, username: "ada", custom_id: "c", session: calls[1]!.id },
        { tenant_id: b.tenant_id, username: "bob", custom_id: null, session: calls[7]!.id }
      ])
    }))

  it.effect.skipIf(oneConnection)(
    "makes no user while others make one of its name or custom id, and waits for neither",
    () =>
      Effect.gen(function* () {
        const codec = yield* TokenCodec
        const { apiKey, id } = yield* World.makeTenant()
        const api_key_id = Option.getOrThrow(codec.parseApiKey(apiKey)).id
        const release = yield* holding(`select pg_advisory_xact_lock(2, hashtext('${id} ada'))::text as name,
          pg_advisory_xact_lock(3, hashtext('${id} c'))::text as custom_id`)
        const calls = [{ username: "ada" }, { username: "bob", custom_id: "c" }, { username: "eve", custom_id: "d" }]
        const opened = yield* openNew(calls.map((call) => ({ ...call, ...newSession(), tenant_id: id, api_key_id })))
        assert.deepEqual(opened, [3])
        yield* release
      })
  )

  it.effect.skipIf(oneConnection)(
    "burns no id of a user that somebody made while the statement waited for another",
    () =>
      Effect.gen(function* () {
        const sql = yield* PgClient
        const codec = yield* TokenCodec
        const { apiKey, id } = yield* World.makeTenant()
        const api_key_id = Option.getOrThrow(codec.parseApiKey(apiKey)).id
        const make = (name: string) =>
          `insert into users (tenant_id, username) values (${id}, '${name}') returning id::int`
        const release = yield* holding(make("ada"))
        const calls = ["ada", "bob"].map((username) => ({ ...newSession(), tenant_id: id, api_key_id, username }))
        const opened = yield* sql.unsafe("set local lock_timeout = 0").pipe(
          Effect.andThen(openNew(calls)),
          sql.withTransaction,
          Effect.forkChild({ startImmediately: true })
        )
        yield* waiting(1)
        const [bob] = yield* sql.unsafe<{ id: number }>(make("bob"))
        yield* release
        assert.deepEqual(yield* Fiber.join(opened), [])
        const { user } = yield* World.signIn(apiKey, "eve")
        assert.strictEqual(user.id, bob!.id + 1)
      })
  )

  it.effect.skipIf(oneConnection)(
    "signs in the user that somebody has just made by another way",
    () =>
      Effect.gen(function* () {
        const { apiKey, id } = yield* World.makeTenant()
        const release = yield* holding(
          `insert into users (tenant_id, username) values (${id}, 'ada') returning id::text as id`
        )
        const signIn = yield* Effect.forkChild(World.signIn(apiKey, "ada"), { startImmediately: true })
        yield* waiting(1)
        yield* release
        assert.strictEqual((yield* Fiber.join(signIn)).user.username, "ada")
      })
  )

  it.effect.skipIf(oneConnection)(
    "makes the others while whoever makes a user of one name is waited for",
    () =>
      Effect.gen(function* () {
        const sql = yield* PgClient
        const { apiKey, id } = yield* World.makeTenant()
        const release = yield* holding(`with made as (
        insert into users (tenant_id, username) values (${id}, 'ada') returning tenant_id
      ) select pg_advisory_xact_lock(2, hashtext(tenant_id || ' ada'))::text as locked from made`)
        const signIns = yield* Effect.forkChild(
          Effect.all(["ada", "bob", "eve", "zoe"].map((name) => World.signIn(apiKey, name)), parallel),
          { startImmediately: true }
        )
        yield* waiting(1)
        const made = sql<{ username: string }>`select username from users where tenant_id = ${id} order by username`
        const names = yield* Effect.repeat(made, { until: (found) => found.length === 3 })
        assert.deepEqual(names.map(({ username }) => username), ["bob", "eve", "zoe"])
        yield* release
        const users = (yield* Fiber.join(signIns)).map(({ user }) => user.username)
        assert.deepEqual(users, ["ada", "bob", "eve", "zoe"])
        assert.strictEqual((yield* made).length, 4)
      })
  )

  it.effect("refreshes many by one statement, and gives each of them its own outcome", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient
      const codec = yield* TokenCodec
      const { apiKey } = yield* World.makeTenant()
      const names = ["x0", "x1", "x2", "ada", "bob", "eve", "mallory", "zoe"]
      const [x0, x1, x2, ada, bob, eve, mallory, zoe] = yield* Effect.forEach(
        names,
        (name) => World.signIn(apiKey, name)
      )
      yield* refreshSession(eve!.refreshToken)
      yield* sql`update sessions set used = true, rotated_at = now() - interval '1 hour' where id = ${eve!.sessionId}`
      yield* sql`update users set banned_at = now() where id = ${mallory!.user.id}`
      const { refreshToken: unknown } = yield* codec.mintSession
      const refresh = ({ refreshToken }: { readonly refreshToken: Redacted.Redacted }) => refreshSession(refreshToken)
      const pairs: Array<string> = []
      const twin = Effect.tap(refresh(ada!), (pair) => Effect.sync(() => pairs.push(Redacted.value(pair.refreshToken))))
      const outcomes = yield* behind(Effect.all([x0!, x1!, x2!].map(refresh), { concurrency: "unbounded" }), [
        outcome(twin),
        outcome(refresh(eve!)),
        outcome(refreshSession(unknown)),
        outcome(refresh(mallory!)),
        outcome(refresh(bob!)),
        outcome(twin),
        outcome(refresh(zoe!))
      ])
      assert.deepEqual(outcomes, ["ok", "RefreshTokenReused", "InvalidRefreshToken", "UserBanned", "ok", "ok", "ok"])
      assert.strictEqual(new Set(pairs).size, 1)
      assert.strictEqual(yield* writtenAt("rotated_at", [ada!.sessionId, bob!.sessionId, zoe!.sessionId]), 1)
      yield* refreshSession(Redacted.make(pairs[0]!))
    }))
})
