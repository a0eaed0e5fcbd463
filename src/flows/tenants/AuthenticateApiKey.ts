import { Effect, type Redacted } from "effect"
import { InvalidApiKey } from "../../domain/ApiKey.ts"
import type { TenantPrincipal } from "../../domain/Principal.ts"
import { TenantSuspended } from "../../domain/Tenant.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { ApiKeyRepository } from "../../services/ApiKeyRepository.ts"
import type { TokenCodec } from "../../services/TokenCodec.ts"
import { verifyApiKey } from "./VerifyApiKey.ts"

/** An API key becomes the tenant that it speaks for. */
export const authenticateApiKey = Effect.fn("authenticateApiKey")(function* (
  apiKey: Redacted.Redacted
): Effect.fn.Return<
  TenantPrincipal,
  InvalidApiKey | TenantSuspended | StoreUnavailable,
  ApiKeyRepository | TokenCodec
> {
  const keys = yield* ApiKeyRepository
  const { id, tenantId } = yield* verifyApiKey(apiKey)
  const standing = yield* keys.standing(id)
  if (standing === "Revoked") return yield* new InvalidApiKey()
  if (standing === "TenantSuspended") return yield* new TenantSuspended({ tenantId })
  return { tenantId, apiKeyId: id }
})
