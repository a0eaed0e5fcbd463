import { Effect, Option } from "effect"
import { Event } from "../../domain/Event.ts"
import type { TenantId } from "../../domain/Ids.ts"
import { type Tenant, type TenantChange, TenantNotFound } from "../../domain/Tenant.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { EventBus } from "../../services/EventBus.ts"
import { TenantRepository } from "../../services/TenantRepository.ts"

/** Renames, suspends, resumes a tenant or changes its settings. A suspended tenant's sockets close. */
export const changeTenant = Effect.fn("changeTenant")(function* (
  tenantId: TenantId,
  change: TenantChange
): Effect.fn.Return<Tenant, TenantNotFound | StoreUnavailable, TenantRepository | EventBus> {
  const tenants = yield* TenantRepository
  const bus = yield* EventBus
  const changed = yield* tenants.update(tenantId, change)
  if (Option.isNone(changed)) return yield* new TenantNotFound()
  if (change.suspended !== undefined) {
    yield* bus.publish(Event.Gap())
    yield* Effect.logInfo(change.suspended ? "Tenant suspended" : "Tenant resumed").pipe(
      Effect.annotateLogs({ tenantId })
    )
  }
  return changed.value
})
