import { Effect } from "effect"
import { Event } from "../../domain/Event.ts"
import type { TenantId } from "../../domain/Ids.ts"
import { TenantNotFound } from "../../domain/Tenant.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { EventBus } from "../../services/EventBus.ts"
import { TenantRepository } from "../../services/TenantRepository.ts"

/** Removes a tenant with its users, sessions, channels and keys. There is no way back. */
export const deleteTenant = Effect.fn("deleteTenant")(function* (
  tenantId: TenantId
): Effect.fn.Return<void, TenantNotFound | StoreUnavailable, TenantRepository | EventBus> {
  const tenants = yield* TenantRepository
  const bus = yield* EventBus
  if (!(yield* tenants.remove(tenantId))) return yield* new TenantNotFound()
  yield* bus.publish(Event.Gap())
  yield* Effect.logInfo("Tenant deleted").pipe(Effect.annotateLogs({ tenantId }))
})
