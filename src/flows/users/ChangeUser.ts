import { Effect } from "effect"
import { Event } from "../../domain/Event.ts"
import type { TenantId, UserId } from "../../domain/Ids.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import type { CustomIdImmutable, CustomIdTaken, UserNotFound } from "../../domain/User.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { EventBus } from "../../services/EventBus.ts"
import { type UserChange, type UserRecord, UserRepository } from "../../services/UserRepository.ts"

/**
 * A tenant changes a user's profile, bans it or lets it in again, all or nothing. A ban ends the user's sessions and
 * sockets; who is let in again signs in anew.
 */
export const changeUser = Effect.fn("changeUser")(function* (
  tenantId: TenantId,
  userId: UserId,
  change: UserChange
): Effect.fn.Return<
  UserRecord,
  UserNotFound | CustomIdTaken | CustomIdImmutable | StoreUnavailable,
  UserRepository | EventBus | AuditLog
> {
  const users = yield* UserRepository
  const bus = yield* EventBus
  const audit = yield* AuditLog
  const { ended, user } = yield* users.update(tenantId, userId, change)
  if (ended.length > 0) yield* bus.publish(Event.SessionsEnded({ sessionIds: ended, reason: "user_banned" }))
  const { banned, ...profile } = change
  if (Object.values(profile).some((value) => value !== undefined)) {
    yield* audit.record({ tenantId, type: "user_changed", userId })
  }
  if (banned !== undefined) {
    yield* audit.record({ tenantId, type: banned ? "user_banned" : "user_unbanned", userId })
    yield* Effect.logInfo(banned ? "User banned" : "User unbanned").pipe(
      Effect.annotateLogs({ tenantId, userId })
    )
  }
  return user
})
