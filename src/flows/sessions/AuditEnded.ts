import { Effect } from "effect"
import type { SessionId, TenantId, UserId } from "../../domain/Ids.ts"
import type { EndReason } from "../../domain/Session.ts"
import { AuditLog } from "../../services/AuditLog.ts"

/** An audit event for each session that ended. */
export const auditEnded = Effect.fnUntraced(function* (
  tenantId: TenantId,
  userId: UserId | null,
  sessionIds: ReadonlyArray<SessionId>,
  reason: EndReason
): Effect.fn.Return<void, never, AuditLog> {
  const audit = yield* AuditLog
  for (const sessionId of sessionIds) {
    yield* audit.record({
      tenantId,
      type: "session_ended",
      sessionId,
      detail: { reason },
      ...(userId === null ? {} : { userId })
    })
  }
})
