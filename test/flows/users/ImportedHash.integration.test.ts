// Users who come with the hash of their password sign in by that password, and do not notice that it is made anew.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { PasswordHash } from "../../../src/domain/PasswordHash.ts"
import { authenticate } from "../../../src/flows/sessions/Authenticate.ts"
import { passwordAuth } from "../../../src/flows/sessions/PasswordAuth.ts"
import { createUser } from "../../../src/flows/users/CreateUser.ts"
import { changePassword } from "../../../src/flows/users/ChangePassword.ts"
import { setPassword } from "../../../src/flows/users/SetPassword.ts"
import { PasswordHasher } from "../../../src/services/PasswordHasher.ts"
import { UserRepository } from "../../../src/services/UserRepository.ts"
import * as World from "../../support/World.ts"

const hashed = Schema.decodeSync(PasswordHash)

const formats = {
  // From the tests of the reference implementation.
  "argon2id": [
    "password",
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
  ],
  "bcrypt": ["U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
  "scrypt": [
    "correct horse battery",
    "$scrypt$ln=14,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$ebnHHTApWa0oNoXTYCCHxLXDaejcvcTRQhZaD1OJNCE"
  ]
} as const

const login = (appId: string, password: string) =>
  passwordAuth({ appId, username: "ada", password: Redacted.make(password), address: "203.0.113.1" })

const storedHash = (userId: number) =>
  Effect.flatMap(PgClient, (sql) =>
    Effect.map(
      sql<{ hash: string }>`select password_hash as hash from users where id = ${userId}`,
      ([row]) => row!.hash
    ))

layer(World.layer(), { timeout: "60 seconds" })("imported hashes", (it) => {
  for (const [format, [password, hash]] of Object.entries(formats)) {
    it.effect(`sign in by ${format}, once, and by argon2id with the present parameters from then on`, () =>
      Effect.gen(function* () {
        const { appId, id: tenantId } = yield* World.makeTenant()
        const { id } = yield* createUser(tenantId, { username: World.username("ada") }, { passwordHash: hashed(hash) })
        assert.strictEqual(yield* storedHash(id), hash)
        assert.strictEqual((yield* Effect.flip(login(appId, "a wrong password")))._tag, "InvalidCredentials")
        assert.strictEqual(yield* storedHash(id), hash)
        const first = yield* login(appId, password)
        assert.match(yield* storedHash(id), /^\$argon2id\$v=19\$m=64,t=1,p=1\$/)
        assert.strictEqual((yield* authenticate(first.token)).user.id, id)
        const upgraded = yield* storedHash(id)
        assert.strictEqual((yield* Effect.flip(login(appId, "a wrong password")))._tag, "InvalidCredentials")
        assert.strictEqual((yield* login(appId, password)).user.id, id)
        assert.strictEqual(yield* storedHash(id), upgraded)
        assert.strictEqual((yield* authenticate(first.token)).user.id, id)
      }))

    it.effect(`set by ${format} end the sessions of before`, () =>
      Effect.gen(function* () {
        const { apiKey, appId, id: tenantId } = yield* World.makeTenant()
        const { token, user } = yield* World.signIn(apiKey, "ada")
        yield* setPassword(tenantId, user.id, { passwordHash: hashed(hash) })
        assert.strictEqual((yield* Effect.flip(authenticate(token)))._tag, "InvalidToken")
        assert.strictEqual((yield* login(appId, password)).user.id, user.id)
      }))

    it.effect(`by ${format} leave a password alone that is set while the hash is made anew`, () =>
      Effect.gen(function* () {
        const { appId, id: tenantId } = yield* World.makeTenant()
        const { id } = yield* createUser(tenantId, { username: World.username("ada") }, { passwordHash: hashed(hash) })
        const hasher = yield* PasswordHasher
        const users = yield* UserRepository
        const next = "another horse battery"
        const set = yield* hasher.hash(Redacted.make(next))
        const late = PasswordHasher.of({
          ...hasher,
          hash: (any) => Effect.tap(hasher.hash(any), () => Effect.orDie(users.setPassword(tenantId, id, set)))
        })
        const { token } = yield* Effect.provideService(login(appId, password), PasswordHasher, late)
        assert.strictEqual(yield* storedHash(id), set)
        assert.strictEqual((yield* Effect.flip(authenticate(token)))._tag, "InvalidToken")
        assert.strictEqual((yield* Effect.flip(login(appId, password)))._tag, "InvalidCredentials")
        assert.strictEqual((yield* login(appId, next)).user.id, id)
      }))

    it.effect(`by ${format} let their owner change the password`, () =>
      Effect.gen(function* () {
        const { apiKey, appId, id: tenantId } = yield* World.makeTenant()
        const { id } = yield* createUser(tenantId, { username: World.username("ada") }, { passwordHash: hashed(hash) })
        const principal = yield* authenticate((yield* World.signIn(apiKey, "ada")).token)
        const change = (current: string) =>
          changePassword(principal, { current: Redacted.make(current), next: Redacted.make("another horse battery") })
        assert.strictEqual((yield* Effect.flip(change("a wrong password")))._tag, "InvalidCredentials")
        yield* change(password)
        assert.match(yield* storedHash(id), /^\$argon2id\$v=19\$m=64,t=1,p=1\$/)
        assert.strictEqual((yield* login(appId, "another horse battery")).user.id, id)
      }))
  }
})
