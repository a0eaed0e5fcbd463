import { Effect } from "effect"
import type { ApiKeyNotFound, LastApiKey } from "../../domain/ApiKey.ts"
import type { ApiKeyId, TenantId } from "../../domain/Ids.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { ApiKeyRepository } from "../../services/ApiKeyRepository.ts"
import { AuditLog } from "../../services/AuditLog.ts"

/** Ends a key at once. The last one that works needs `force`: without it the tenant would lock itself out. */
export const revokeApiKey = Effect.fn("revokeApiKey")(function* (
  tenantId: TenantId,
  id: ApiKeyId,
  options: { readonly force: boolean }
): Effect.fn.Return<void, ApiKeyNotFound | LastApiKey | StoreUnavailable, ApiKeyRepository | AuditLog> {
  const keys = yield* ApiKeyRepository
  const audit = yield* AuditLog
  yield* keys.revoke(tenantId, id, options)
  yield* audit.record({ tenantId, type: "api_key_revoked", detail: { api_key_id: id } })
  yield* Effect.logInfo("API key revoked").pipe(Effect.annotateLogs({ tenantId, apiKeyId: id }))
})
