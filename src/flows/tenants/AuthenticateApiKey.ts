import { Effect, Option, type Redacted } from "effect"
import { InvalidApiKey } from "../../domain/ApiKey.ts"
import type { TenantPrincipal } from "../../domain/Principal.ts"
import { TenantSuspended } from "../../domain/Tenant.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { ApiKeyRepository } from "../../services/ApiKeyRepository.ts"
import { TokenCodec } from "../../services/TokenCodec.ts"

/** An API key becomes the tenant that it speaks for. */
export const authenticateApiKey = Effect.fn("authenticateApiKey")(function* (
  apiKey: Redacted.Redacted
): Effect.fn.Return<
  TenantPrincipal,
  InvalidApiKey | TenantSuspended | StoreUnavailable,
  ApiKeyRepository | TokenCodec
> {
  const codec = yield* TokenCodec
  const keys = yield* ApiKeyRepository
  const presented = codec.parseApiKey(apiKey)
  if (Option.isNone(presented)) return yield* new InvalidApiKey()
  const key = yield* keys.find(presented.value.id)
  if (Option.isNone(key) || !codec.matches(key.value.digest, presented.value.digest)) {
    return yield* new InvalidApiKey()
  }
  const standing = yield* keys.standing(key.value.id)
  if (standing === "Revoked") return yield* new InvalidApiKey()
  if (standing === "TenantSuspended") return yield* new TenantSuspended({ tenantId: key.value.tenantId })
  return { tenantId: key.value.tenantId }
})
