// A fresh embedded database gets a demo tenant, so that the first thing a newcomer pastes works.
import { Console, Effect, Option, Redacted } from "effect"
import { HttpServer } from "effect/http"
import { isEmbedded, type RoomkeyConfig, servesDemo } from "../Config.ts"
import { TenantName } from "../domain/Tenant.ts"
import { changeTenant } from "../flows/tenants/ChangeTenant.ts"
import { createTenant } from "../flows/tenants/CreateTenant.ts"
import { TenantRepository } from "../services/TenantRepository.ts"
import { pathOf } from "./AdminKeyFile.ts"

export const demoTenantName = TenantName.make("Demo")

/** Answers whether this was the first start. The API key is printed once: only its hash is kept. */
export const firstStart = Effect.fn("firstStart")(function* (config: RoomkeyConfig) {
  const tenants = yield* TenantRepository
  if (!isEmbedded(config) || (yield* tenants.list).length > 0) return false
  const tenant = yield* createTenant(demoTenantName)
  // Whoever opens the page picks a name there.
  if (servesDemo(config)) yield* changeTenant(tenant.id, { registrationEnabled: true })
  const address = yield* HttpServer.HttpServer
  const port = address.address._tag === "UnixPathAddress" ? config.port : address.address.port
  yield* Console.log(`
Roomkey runs on the embedded database in ${config.dataDir}. This is its first start, so here is a demo tenant:

  app id     ${tenant.appId}
  API key    ${Redacted.value(tenant.apiKey)}   (shown once)
  admin key  ${Option.isSome(config.adminKey) ? "as ROOMKEY_ADMIN_KEY says" : `in ${pathOf(config)}`}

Sign a user in:

  curl -s http://localhost:${port}/api/auth/auto -H 'Authorization: Bearer ${
    Redacted.value(tenant.apiKey)
  }' -H 'Content-Type: application/json' -d '{"username":"ada"}'

Then use the "token" of the answer:

  curl -s http://localhost:${port}/api/me -H 'Authorization: Bearer <token>'

API reference: http://localhost:${port}/docs
${servesDemo(config) ? `Voice rooms, in two browsers: http://localhost:${port}/demo\n` : ""}`)
  return true
})
