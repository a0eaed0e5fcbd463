import { Context, type Effect, type Option } from "effect"
import type { ApiKey } from "../domain/ApiKey.ts"
import type { ApiKeyId } from "../domain/Ids.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"

/** API keys. What never changes of a key may be remembered; whether it is still good is asked each time. */
export class ApiKeyRepository extends Context.Service<ApiKeyRepository, {
  /** The key's tenant and digest, whether or not the key is still good. */
  readonly find: (id: ApiKeyId) => Effect.Effect<Option.Option<ApiKey>, StoreUnavailable>
  /** Whether the key may be used now, and its tenant is not suspended. */
  readonly standing: (id: ApiKeyId) => Effect.Effect<"Good" | "Revoked" | "TenantSuspended", StoreUnavailable>
}>()("roomkey/services/ApiKeyRepository") {}
