// Reuse is theft: somebody else holds a token of this session, and nobody can tell which of the two is the owner.
// The session ends before the caller hears of it (RFC 9700 section 4.14.2).
import { Effect } from "effect"
import { RefreshTokenReused } from "../../domain/RefreshToken.ts"
import type { SessionRecord } from "../../domain/Session.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import type { EventBus } from "../../services/EventBus.ts"
import type { TokenStore } from "../../services/TokenStore.ts"
import { endSession } from "./EndSession.ts"

export const detectTokenReuse = Effect.fn("detectTokenReuse")(function* (
  record: SessionRecord
): Effect.fn.Return<never, RefreshTokenReused | StoreUnavailable, TokenStore | EventBus | AuditLog> {
  const audit = yield* AuditLog
  yield* endSession(record.id, "reuse")
  yield* audit.record({
    tenantId: record.tenantId,
    type: "refresh_token_reused",
    userId: record.user.id,
    sessionId: record.id
  })
  yield* Effect.logWarning("Refresh token reused, session ended").pipe(
    Effect.annotateLogs({ sessionId: record.id, userId: record.user.id, tenantId: record.tenantId })
  )
  return yield* new RefreshTokenReused({ sessionId: record.id })
})
