import { Effect } from "effect"
import type { ApiKeyNotFound, LastApiKey } from "../../domain/ApiKey.ts"
import type { ApiKeyId, TenantId } from "../../domain/Ids.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { ApiKeyRepository } from "../../services/ApiKeyRepository.ts"

/** Ends a key at once. The last one that works needs `force`: without it the tenant would lock itself out. */
export const revokeApiKey = Effect.fn("revokeApiKey")(function* (
  tenantId: TenantId,
  id: ApiKeyId,
  options: { readonly force: boolean }
): Effect.fn.Return<void, ApiKeyNotFound | LastApiKey | StoreUnavailable, ApiKeyRepository> {
  const keys = yield* ApiKeyRepository
  yield* keys.revoke(tenantId, id, options)
  yield* Effect.logInfo("API key revoked").pipe(Effect.annotateLogs({ tenantId, apiKeyId: id }))
})
