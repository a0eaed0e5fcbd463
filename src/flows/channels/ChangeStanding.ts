import { Effect } from "effect"
import type { ChannelNotFound, NotAllowed, Standing, StandingChange } from "../../domain/Channel.ts"
import type { ChannelId, TenantId, UserId } from "../../domain/Ids.ts"
import { RoomNotice } from "../../domain/RoomNotice.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import type { UserNotFound } from "../../domain/User.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { type Candidate, ChannelRepository } from "../../services/ChannelRepository.ts"
import { RoomBus } from "../../services/RoomBus.ts"

/** What changed, for the audit event. */
const told = (channelId: ChannelId, change: StandingChange): Record<string, string> => ({
  channel_id: String(channelId),
  ...(change.role === undefined ? {} : { role: change.role ?? "none" }),
  ...(change.muted === undefined ? {} : { muted: String(change.muted) }),
  ...(change.removed === undefined ? {} : { removed: String(change.removed) })
})

/**
 * Gives a user a role in a channel, mutes, unmutes, removes it or lets it in again; for good, whether it is there or not.
 * `by`: the user who asks, by which session, of whom a host's rights are demanded; `null`: the tenant, which may do all of it.
 */
export const changeStanding = Effect.fn("changeStanding")(function* (
  tenantId: TenantId,
  channelId: ChannelId,
  userId: UserId,
  change: StandingChange,
  by: Candidate | null
): Effect.fn.Return<
  Standing,
  ChannelNotFound | UserNotFound | NotAllowed | StoreUnavailable,
  ChannelRepository | RoomBus | AuditLog
> {
  const channels = yield* ChannelRepository
  const bus = yield* RoomBus
  const audit = yield* AuditLog
  const { isNew, standing } = yield* channels.changeStanding(tenantId, channelId, userId, change, by?.userId ?? null)
  if (!isNew) return standing
  yield* audit.record({
    tenantId,
    type: "channel_standing_changed",
    userId,
    ...(by === null ? {} : { sessionId: by.sessionId }),
    detail: { ...told(channelId, change), ...(by === null ? {} : { by: String(by.userId) }) }
  })
  yield* bus.publish(RoomNotice.DecisionsChanged({ channelId, userId }))
  return standing
})
