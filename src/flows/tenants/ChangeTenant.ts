import { Effect, Option } from "effect"
import { Event } from "../../domain/Event.ts"
import type { TenantId } from "../../domain/Ids.ts"
import { type Tenant, type TenantChange, TenantNotFound } from "../../domain/Tenant.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { EventBus } from "../../services/EventBus.ts"
import { TenantRepository } from "../../services/TenantRepository.ts"

/** Renames, suspends, resumes a tenant or changes its settings. A suspended tenant's sockets close. */
export const changeTenant = Effect.fn("changeTenant")(function* (
  tenantId: TenantId,
  change: TenantChange
): Effect.fn.Return<Tenant, TenantNotFound | StoreUnavailable, TenantRepository | EventBus | AuditLog> {
  const tenants = yield* TenantRepository
  const bus = yield* EventBus
  const audit = yield* AuditLog
  const changed = yield* tenants.update(tenantId, change)
  if (Option.isNone(changed)) return yield* new TenantNotFound()
  const { suspended, ...settings } = change
  const changes = Object.entries(settings).filter(([, value]) => value !== undefined).map(([name]) => name)
  if (changes.length > 0) {
    yield* audit.record({ tenantId, type: "tenant_changed", detail: { changed: changes.join(" ") } })
  }
  if (suspended !== undefined) {
    yield* audit.record({ tenantId, type: suspended ? "tenant_suspended" : "tenant_resumed" })
    yield* bus.publish(Event.Gap())
    yield* Effect.logInfo(suspended ? "Tenant suspended" : "Tenant resumed").pipe(
      Effect.annotateLogs({ tenantId })
    )
  }
  return changed.value
})
