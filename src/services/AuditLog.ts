import { Context, type Effect } from "effect"
import type { AuditEvent, AuditRecord, Usage } from "../domain/AuditEvent.ts"
import type { TenantId } from "../domain/Ids.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"
import type { Page } from "./UserRepository.ts"

/** What happened, for the tenant to look up. */
export class AuditLog extends Context.Service<AuditLog, {
  /**
   * Notes an event, with who acted and from where. It is written a moment later, beside the request, which it neither
   * delays nor fails.
   */
  readonly record: (event: AuditEvent) => Effect.Effect<void>
  /** Counts a socket that was opened. At once, since a handshake is answered in its turn; written as events are. */
  readonly countSocket: (tenantId: TenantId) => void
  /** Newest first, with everything that this instance has recorded; `before` is the last id of the page before. */
  readonly list: (
    tenantId: TenantId,
    options: { readonly before?: number | undefined; readonly limit: number }
  ) => Effect.Effect<Page<AuditRecord>, StoreUnavailable>
  readonly usage: (tenantId: TenantId) => Effect.Effect<Usage, StoreUnavailable>
}>()("roomkey/services/AuditLog") {}
