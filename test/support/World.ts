// The real ports over a real database, with cheap password hashing, and what most tests start from: a fresh tenant.
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConfigProvider, Effect, Layer, type Redacted, Schema } from "effect"
import { RoomkeyConfig } from "../../src/Config.ts"
import { TenantName } from "../../src/domain/Tenant.ts"
import { CustomId, Metadata, PictureUrl, type Profile, Username } from "../../src/domain/User.ts"
import { autoAuth } from "../../src/flows/sessions/AutoAuth.ts"
import { createTenant } from "../../src/flows/tenants/CreateTenant.ts"
import * as Adapters from "../../src/server/Adapters.ts"
import * as Database from "./Database.ts"

export const adminKey = `vc_admin_${"0".repeat(64)}`

/** Configuration for tests; a real PostgreSQL is used like one, events over LISTEN/NOTIFY included. */
export const config = (overrides: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const server = yield* Database.testServer
    return yield* RoomkeyConfig.parse(ConfigProvider.fromUnknown({
      PORT: "0",
      HOST: "127.0.0.1",
      ROOMKEY_ADMIN_KEY: adminKey,
      ARGON2_MEMORY_KIB: "64",
      ARGON2_ITERATIONS: "1",
      HASH_CONCURRENCY: "2",
      LOG_LEVEL: "None",
      // A test of limits asks for small ones.
      LIMIT_LOGIN_ACCOUNT: "100000",
      LIMIT_LOGIN_ADDRESS: "100000",
      LIMIT_REFRESH_FAILURES: "100000",
      LIMIT_REGISTRATIONS: "100000",
      ...(server._tag === "Some" ? { DATABASE_URL: server.value } : {}),
      ...overrides
    }))
  })

export const layer = (overrides: Record<string, string> = {}) =>
  Layer.unwrap(Effect.map(config(overrides), Adapters.layer)).pipe(
    Layer.provideMerge(Database.layer),
    Layer.provide(NodeServices.layer)
  )

export const makeTenant = Effect.fn("makeTenant")((name = "Test") => createTenant(TenantName.make(name)))

export const username = Schema.decodeSync(Username)
export const customId = Schema.decodeSync(CustomId)
export const pictureUrl = Schema.decodeSync(PictureUrl)
export const metadata = Schema.decodeUnknownSync(Metadata)

export const signIn = (apiKey: Redacted.Redacted, name: string, profile: Omit<Profile, "username"> = {}) =>
  autoAuth(apiKey, { username: username(name), ...profile })
