import { Effect, Option } from "effect"
import { type ChannelNotFound, type Seat, seatFor } from "../../domain/Channel.ts"
import type { ChannelId, TenantId } from "../../domain/Ids.ts"
import type { Role } from "../../domain/Role.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { type Candidate, ChannelRepository } from "../../services/ChannelRepository.ts"

export interface Applicant extends Candidate {
  readonly requested: Role | undefined
}

/** What each of these may do in the channel, in their order; none for who was removed from it. */
export const reviewMembers = Effect.fn("reviewMembers")(function* (
  tenantId: TenantId,
  channelId: ChannelId,
  applicants: ReadonlyArray<Applicant>
): Effect.fn.Return<ReadonlyArray<Option.Option<Seat>>, ChannelNotFound | StoreUnavailable, ChannelRepository> {
  const channels = yield* ChannelRepository
  const admissions = yield* channels.admissions(tenantId, channelId, applicants)
  return admissions.map((admission, place) =>
    admission.standing.removed ? Option.none() : Option.some(seatFor(admission, applicants[place]?.requested))
  )
})
