// Sessions ended from outside: by their user on another device, or by the tenant.
import { Effect } from "effect"
import { Event } from "../../domain/Event.ts"
import type { SessionId, TenantId, UserId } from "../../domain/Ids.ts"
import { SessionNotFound } from "../../domain/Session.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import type { AuditLog } from "../../services/AuditLog.ts"
import { EventBus } from "../../services/EventBus.ts"
import { TokenStore } from "../../services/TokenStore.ts"
import { auditEnded } from "./AuditEnded.ts"

/** Ends one live session of the tenant; of the user, where one is named. */
export const revokeSession = Effect.fn("revokeSession")(function* (
  tenantId: TenantId,
  userId: UserId | null,
  sessionId: SessionId
): Effect.fn.Return<void, SessionNotFound | StoreUnavailable, TokenStore | EventBus | AuditLog> {
  const store = yield* TokenStore
  const bus = yield* EventBus
  if (!(yield* store.endWithin(tenantId, userId, sessionId, "revoked"))) return yield* new SessionNotFound()
  yield* bus.publish(Event.SessionsEnded({ sessionIds: [sessionId], reason: "revoked" }))
  yield* auditEnded(tenantId, userId, [sessionId], "revoked")
})

/** Ends every session of a user, but for `keep`. */
export const revokeSessions = Effect.fn("revokeSessions")(function* (
  tenantId: TenantId,
  userId: UserId,
  options?: { readonly keep: SessionId }
): Effect.fn.Return<void, StoreUnavailable, TokenStore | EventBus | AuditLog> {
  const store = yield* TokenStore
  const bus = yield* EventBus
  const sessionIds = yield* store.endAll(tenantId, userId, "revoked", options)
  if (sessionIds.length > 0) yield* bus.publish(Event.SessionsEnded({ sessionIds, reason: "revoked" }))
  yield* auditEnded(tenantId, userId, sessionIds, "revoked")
})
