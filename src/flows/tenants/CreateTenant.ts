import { Effect, type Redacted } from "effect"
import type { Tenant, TenantName } from "../../domain/Tenant.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { TenantRepository } from "../../services/TenantRepository.ts"
import { TokenCodec } from "../../services/TokenCodec.ts"

export interface CreatedTenant extends Tenant {
  /** The first API key; shown this once. */
  readonly apiKey: Redacted.Redacted
}

export const createTenant = Effect.fn("createTenant")(function* (
  name: TenantName
): Effect.fn.Return<CreatedTenant, StoreUnavailable, TenantRepository | TokenCodec | AuditLog> {
  const codec = yield* TokenCodec
  const tenants = yield* TenantRepository
  const audit = yield* AuditLog
  const appId = yield* codec.mintAppId
  const key = yield* codec.mintApiKey
  const tenant = yield* tenants.create(name, appId, key)
  yield* audit.record({ tenantId: tenant.id, type: "tenant_created", detail: { api_key_id: key.id } })
  yield* Effect.logInfo("Tenant created").pipe(Effect.annotateLogs({ tenantId: tenant.id, apiKeyId: key.id }))
  return { ...tenant, apiKey: key.key }
})
