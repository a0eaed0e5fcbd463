import { Effect } from "effect"
import type { ChannelNotFound, NotAllowed } from "../../domain/Channel.ts"
import type { ChannelId, TenantId } from "../../domain/Ids.ts"
import { RoomNotice } from "../../domain/RoomNotice.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { type Candidate, ChannelRepository } from "../../services/ChannelRepository.ts"
import { RoomBus } from "../../services/RoomBus.ts"

/** Deletes a channel with everybody in it. `by`: the user who asks, by which session, which a host may; `null`: the tenant. */
export const deleteChannel = Effect.fn("deleteChannel")(function* (
  tenantId: TenantId,
  channelId: ChannelId,
  by: Candidate | null
): Effect.fn.Return<void, ChannelNotFound | NotAllowed | StoreUnavailable, ChannelRepository | RoomBus | AuditLog> {
  const channels = yield* ChannelRepository
  const bus = yield* RoomBus
  const audit = yield* AuditLog
  yield* channels.remove(tenantId, channelId, by?.userId ?? null)
  yield* audit.record({
    tenantId,
    type: "channel_deleted",
    ...by,
    detail: { channel_id: String(channelId) }
  })
  yield* bus.publish(RoomNotice.DecisionsChanged({ channelId, userId: null }))
})
