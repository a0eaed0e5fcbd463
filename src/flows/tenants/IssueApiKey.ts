import { Effect, type Redacted } from "effect"
import type { ApiKeyInfo, TooManyApiKeys } from "../../domain/ApiKey.ts"
import type { TenantId } from "../../domain/Ids.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { ApiKeyRepository } from "../../services/ApiKeyRepository.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { TokenCodec } from "../../services/TokenCodec.ts"

export interface IssuedApiKey extends ApiKeyInfo {
  /** The key itself; shown this once. */
  readonly key: Redacted.Redacted
}

/** One more key beside the others, so that a backend can change keys without a moment in which none works. */
export const issueApiKey = Effect.fn("issueApiKey")(function* (
  tenantId: TenantId,
  options: { readonly label: string | null; readonly expiresIn: number | null }
): Effect.fn.Return<IssuedApiKey, TooManyApiKeys | StoreUnavailable, ApiKeyRepository | TokenCodec | AuditLog> {
  const codec = yield* TokenCodec
  const keys = yield* ApiKeyRepository
  const audit = yield* AuditLog
  const minted = yield* codec.mintApiKey
  const info = yield* keys.create(tenantId, minted, options)
  yield* audit.record({ tenantId, type: "api_key_issued", detail: { api_key_id: minted.id } })
  yield* Effect.logInfo("API key issued").pipe(Effect.annotateLogs({ tenantId, apiKeyId: minted.id }))
  return { ...info, key: minted.key }
})
