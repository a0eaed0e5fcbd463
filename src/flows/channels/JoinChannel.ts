import { Effect, Option } from "effect"
import { type ChannelNotFound, RemovedFromChannel, type Seat } from "../../domain/Channel.ts"
import type { ChannelId, TenantId } from "../../domain/Ids.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import type { ChannelRepository } from "../../services/ChannelRepository.ts"
import { type Applicant, reviewMembers } from "./ReviewMembers.ts"

/** Whether a user may enter a channel of its tenant, and what it may do there. */
export const joinChannel = Effect.fn("joinChannel")(function* (
  tenantId: TenantId,
  channelId: ChannelId,
  applicant: Applicant
): Effect.fn.Return<Seat, ChannelNotFound | RemovedFromChannel | StoreUnavailable, ChannelRepository> {
  const [seat = Option.none()] = yield* reviewMembers(tenantId, channelId, [applicant])
  return Option.isSome(seat) ? seat.value : yield* new RemovedFromChannel({ channelId })
})
