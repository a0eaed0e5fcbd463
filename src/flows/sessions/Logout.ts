import { Effect } from "effect"
import type { SessionPrincipal } from "../../domain/Principal.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import type { AuditLog } from "../../services/AuditLog.ts"
import type { EventBus } from "../../services/EventBus.ts"
import type { TokenStore } from "../../services/TokenStore.ts"
import { auditEnded } from "./AuditEnded.ts"
import { endSession } from "./EndSession.ts"

/** Ends the caller's own session. Its tokens and sockets are dead when this returns. */
export const logout = Effect.fn("logout")(function* (
  { sessionId, tenantId, user }: SessionPrincipal
): Effect.fn.Return<void, StoreUnavailable, TokenStore | EventBus | AuditLog> {
  yield* endSession(sessionId, "logout")
  yield* auditEnded(tenantId, user.id, [sessionId], "logout")
})
