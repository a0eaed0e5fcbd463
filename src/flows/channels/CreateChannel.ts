import { Effect } from "effect"
import type { ChannelName, ChannelRecord } from "../../domain/Channel.ts"
import type { TenantId, UserId } from "../../domain/Ids.ts"
import type { RateLimited } from "../../domain/RateLimit.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { ChannelRepository } from "../../services/ChannelRepository.ts"
import { RateLimits } from "../../services/RateLimits.ts"

/** A user makes a channel in its tenant. */
export const createChannel = Effect.fn("createChannel")(function* (
  tenantId: TenantId,
  userId: UserId,
  name: ChannelName
): Effect.fn.Return<ChannelRecord, RateLimited | StoreUnavailable, ChannelRepository | RateLimits> {
  const channels = yield* ChannelRepository
  const limits = yield* RateLimits
  yield* limits.take("channel", String(userId))
  return yield* channels.create(tenantId, name, userId)
})
