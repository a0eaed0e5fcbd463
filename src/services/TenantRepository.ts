import { Context, type Effect, type Option } from "effect"
import type { MintedApiKey } from "../domain/ApiKey.ts"
import type { AppId, TenantId } from "../domain/Ids.ts"
import type { Tenant, TenantChange, TenantName } from "../domain/Tenant.ts"
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
  readonly find: (tenantId: TenantId) => Effect.Effect<Option.Option<Tenant>, StoreUnavailable>
  readonly findByAppId: (appId: string) => Effect.Effect<Option.Option<Tenant>, StoreUnavailable>
  /** Changes what is given. Suspending or resuming makes every instance look at its sockets again. */
  readonly update: (
    tenantId: TenantId,
    change: TenantChange
  ) => Effect.Effect<Option.Option<Tenant>, StoreUnavailable>
  /** Removes the tenant, at once for everybody, and everything of its soon after; answers whether there was one. */
  readonly remove: (tenantId: TenantId) => Effect.Effect<boolean, StoreUnavailable>
  /** The fewest characters of a new password, where the tenant asks for more than the default. */
  readonly passwordMinLength: (tenantId: TenantId) => Effect.Effect<Option.Option<number>, StoreUnavailable>
}>()("roomkey/services/TenantRepository") {}
