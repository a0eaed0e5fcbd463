import { Context, type Effect, type Option } from "effect"
import type { MintedApiKey } from "../domain/ApiKey.ts"
import type { AppId, TenantId } from "../domain/Ids.ts"
import type { Tenant, TenantName } from "../domain/Tenant.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"

/** The tenants, with the settings that flows ask for. */
export class TenantRepository extends Context.Service<TenantRepository, {
  /** Makes a tenant and its first API key. */
  readonly create: (
    name: TenantName,
    appId: AppId,
    key: MintedApiKey
  ) => Effect.Effect<Tenant, StoreUnavailable>
  readonly list: Effect.Effect<ReadonlyArray<Tenant>, StoreUnavailable>
  /** The fewest characters of a new password, where the tenant asks for more than the default. */
  readonly passwordMinLength: (tenantId: TenantId) => Effect.Effect<Option.Option<number>, StoreUnavailable>
}>()("roomkey/services/TenantRepository") {}
