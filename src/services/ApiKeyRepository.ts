import { Context, type Effect, type Option } from "effect"
import type { ApiKey, ApiKeyInfo, ApiKeyNotFound, LastApiKey, MintedApiKey, TooManyApiKeys } from "../domain/ApiKey.ts"
import type { ApiKeyId, TenantId } from "../domain/Ids.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"

/** API keys. What never changes of a key may be remembered; whether it is still good is asked each time. */
export class ApiKeyRepository extends Context.Service<ApiKeyRepository, {
  /** The key's tenant and digest, whether or not the key is still good. */
  readonly find: (id: ApiKeyId) => Effect.Effect<Option.Option<ApiKey>, StoreUnavailable>
  /** Notes that the key was used: to the minute, beside the request, and without failing it. */
  readonly markUsed: (id: ApiKeyId) => Effect.Effect<void>
  readonly list: (tenantId: TenantId) => Effect.Effect<ReadonlyArray<ApiKeyInfo>, StoreUnavailable>
  /** `expiresIn` in seconds, by the database's clock; `null`: never. */
  readonly create: (
    tenantId: TenantId,
    key: MintedApiKey,
    options: { readonly label: string | null; readonly expiresIn: number | null }
  ) => Effect.Effect<ApiKeyInfo, TooManyApiKeys | StoreUnavailable>
  /** Revokes a key; the last one that works only with `force`. */
  readonly revoke: (
    tenantId: TenantId,
    id: ApiKeyId,
    options: { readonly force: boolean }
  ) => Effect.Effect<void, ApiKeyNotFound | LastApiKey | StoreUnavailable>
  /** Whether the key may be used now, and its tenant is not suspended. */
  readonly standing: (id: ApiKeyId) => Effect.Effect<"Good" | "Revoked" | "TenantSuspended", StoreUnavailable>
}>()("roomkey/services/ApiKeyRepository") {}
