import { Effect } from "effect"
import { Event } from "../../domain/Event.ts"
import type { TenantId, UserId } from "../../domain/Ids.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import type { UserNotFound } from "../../domain/User.ts"
import { EventBus } from "../../services/EventBus.ts"
import { UserRepository } from "../../services/UserRepository.ts"

/** Bans a user, whose sessions and sockets end, or lets it in again, to sign in anew. */
export const banUser = Effect.fn("banUser")(function* (
  tenantId: TenantId,
  userId: UserId,
  banned: boolean
): Effect.fn.Return<void, UserNotFound | StoreUnavailable, UserRepository | EventBus> {
  const users = yield* UserRepository
  const bus = yield* EventBus
  const sessionIds = yield* users.setBanned(tenantId, userId, banned)
  if (sessionIds.length > 0) yield* bus.publish(Event.SessionsEnded({ sessionIds, reason: "user_banned" }))
  yield* Effect.logInfo(banned ? "User banned" : "User unbanned").pipe(Effect.annotateLogs({ tenantId, userId }))
})
