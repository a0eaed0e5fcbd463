import { Effect } from "effect"
import { Event } from "../../domain/Event.ts"
import type { TenantId, UserId } from "../../domain/Ids.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import type { UserNotFound } from "../../domain/User.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { EventBus } from "../../services/EventBus.ts"
import { UserRepository } from "../../services/UserRepository.ts"

/** Removes a user and everything of theirs. */
export const eraseUser = Effect.fn("eraseUser")(function* (
  tenantId: TenantId,
  userId: UserId
): Effect.fn.Return<void, UserNotFound | StoreUnavailable, UserRepository | EventBus | AuditLog> {
  const users = yield* UserRepository
  const bus = yield* EventBus
  const audit = yield* AuditLog
  const sessionIds = yield* users.remove(tenantId, userId)
  if (sessionIds.length > 0) yield* bus.publish(Event.SessionsEnded({ sessionIds, reason: "user_erased" }))
  yield* audit.record({ tenantId, type: "user_erased", userId })
  yield* Effect.logInfo("User erased").pipe(Effect.annotateLogs({ tenantId, userId }))
})
