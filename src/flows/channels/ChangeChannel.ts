import { Effect } from "effect"
import type { ChannelNotFound, ChannelRecord } from "../../domain/Channel.ts"
import type { ChannelId, TenantId } from "../../domain/Ids.ts"
import { RoomNotice } from "../../domain/RoomNotice.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { type ChannelChange, ChannelRepository } from "../../services/ChannelRepository.ts"
import { RoomBus } from "../../services/RoomBus.ts"

/** Renames a channel, sets the role of who was given none, or who may speak; for those who are in it too. */
export const changeChannel = Effect.fn("changeChannel")(function* (
  tenantId: TenantId,
  channelId: ChannelId,
  change: ChannelChange
): Effect.fn.Return<ChannelRecord, ChannelNotFound | StoreUnavailable, ChannelRepository | RoomBus | AuditLog> {
  const channels = yield* ChannelRepository
  const bus = yield* RoomBus
  const audit = yield* AuditLog
  const channel = yield* channels.change(tenantId, channelId, change)
  yield* audit.record({ tenantId, type: "channel_changed", detail: { channel_id: String(channelId) } })
  if (change.defaultRole !== undefined || change.whoMaySpeak !== undefined) {
    yield* bus.publish(RoomNotice.DecisionsChanged({ channelId, userId: null }))
  }
  return channel
})
