// Roomkey's flows in a program of one's own, with one's own password hashing: a tenant, a user, a sign-in.
import { Console, Effect, Layer, Redacted } from "effect"
import { randomBytes, scryptSync, timingSafeEqual } from "node:crypto"
import * as CommonPasswordsList from "../../src/crypto/CommonPasswordsList.ts"
import * as TokenCodecNode from "../../src/crypto/TokenCodecNode.ts"
import type { Password } from "../../src/domain/Password.ts"
import { TenantName } from "../../src/domain/Tenant.ts"
import { Username } from "../../src/domain/User.ts"
import { passwordAuth } from "../../src/flows/sessions/PasswordAuth.ts"
import { createTenant } from "../../src/flows/tenants/CreateTenant.ts"
import { createUser } from "../../src/flows/users/CreateUser.ts"
import * as Pglite from "../../src/postgres/Pglite.ts"
import * as Postgres from "../../src/postgres/Postgres.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { PasswordHasher } from "../../src/services/PasswordHasher.ts"

const scrypt = (password: Password, salt: Buffer) =>
  Buffer.concat([salt, scryptSync(Redacted.value(password), salt, 32)]).toString("hex")

const Scrypt = Layer.succeed(PasswordHasher, {
  hash: (password) => Effect.sync(() => scrypt(password, randomBytes(16))),
  verify: (password, hash) =>
    Effect.sync(() => {
      const again = scrypt(password, Buffer.from(hash.slice(0, 32), "hex"))
      return timingSafeEqual(Buffer.from(again), Buffer.from(hash))
    }),
  verifyNothing: (password) => Effect.sync(() => void scrypt(password, randomBytes(16))),
  needsRehash: () => false
})

const Ports = Layer.mergeAll(EventBus.layerMemory, CommonPasswordsList.layer, TokenCodecNode.layer, Scrypt)
const Database = Layer.provide(Postgres.layer, Pglite.layer({ dataDir: undefined }))

const program = Effect.gen(function* () {
  const password: Password = Redacted.make("correct horse battery")
  const { appId, id } = yield* createTenant(TenantName.make("Acme"))
  yield* createUser(id, { username: Username.make("ada") }, { password })
  const { user } = yield* passwordAuth({ appId, username: "ada", password, address: "127.0.0.1" })
  return `${user.username} is signed in`
}).pipe(Effect.catchTags({
  UsernameTaken: () => Effect.succeed("That name is taken"),
  CustomIdTaken: () => Effect.succeed("That custom id is taken"),
  WeakPassword: ({ reason }) => Effect.succeed(`That password will not do: ${reason}`),
  InvalidCredentials: () => Effect.succeed("Wrong user name or password"),
  RateLimited: () => Effect.succeed("Too many wrong passwords"),
  TenantSuspended: () => Effect.succeed("This tenant is suspended"),
  UserBanned: () => Effect.succeed("This user is banned"),
  HasherBusy: () => Effect.succeed("Too many sign-ins at once"),
  StoreUnavailable: () => Effect.succeed("The database is away")
}))

await Effect.runPromise(program.pipe(Effect.flatMap(Console.log), Effect.provide(Layer.merge(Ports, Database))))
