import { Context, type Effect } from "effect"
import type { Channel, ChannelName } from "../domain/Channel.ts"
import type { TenantId, UserId } from "../domain/Ids.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"

/** A tenant's channels. */
export class ChannelRepository extends Context.Service<ChannelRepository, {
  readonly list: (tenantId: TenantId) => Effect.Effect<ReadonlyArray<Channel>, StoreUnavailable>
  readonly create: (
    tenantId: TenantId,
    name: ChannelName,
    createdBy: UserId
  ) => Effect.Effect<Channel, StoreUnavailable>
}>()("roomkey/services/ChannelRepository") {}
