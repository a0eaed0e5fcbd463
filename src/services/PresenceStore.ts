import { Context, type Effect } from "effect"
import type { ChannelNotFound, Member } from "../domain/Channel.ts"
import type { ChannelId, TenantId } from "../domain/Ids.ts"
import type { Relay } from "../domain/RoomNotice.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"

/** A member that is connected to another instance. */
export interface RemoteMember extends Member {
  readonly nodeId: string
}

export interface RemoteRelay extends Relay {
  /** The instance that `to` is connected to. */
  readonly nodeId: string
}

/** A connection that came, changed or went. */
export interface PresenceChange {
  readonly connectionId: string
  /** `undefined`: it is in no channel any more. */
  readonly member: Member | undefined
  /** The channels whose members are to hear of it. */
  readonly channelIds: ReadonlySet<ChannelId>
}

/**
 * Who is in which channel, on which instance. Each instance writes the members that are connected to it and nobody
 * else's, and holds them by a lease; those of an instance that stopped beating are removed by the others.
 */
export class PresenceStore extends Context.Service<PresenceStore, {
  /** Renews the lease; true when there was none, so that every member of this instance must be written again. */
  readonly beat: Effect.Effect<boolean, StoreUnavailable>
  /**
   * Writes what changed, tells the other instances and sends them the relays, all or nothing. False when this instance
   * holds no lease: nothing was written.
   */
  readonly write: (
    changes: ReadonlyArray<PresenceChange>,
    relays: ReadonlyArray<RemoteRelay>
  ) => Effect.Effect<boolean, StoreUnavailable>
  /** Who is in these channels, and these connections, as far as other instances hold them. */
  readonly readOthers: (
    channelIds: ReadonlyArray<ChannelId>,
    connectionIds: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<RemoteMember>, StoreUnavailable>
  /** Who is in a channel of the tenant, on whichever instance. */
  readonly list: (
    tenantId: TenantId,
    channelId: ChannelId
  ) => Effect.Effect<ReadonlyArray<Member>, ChannelNotFound | StoreUnavailable>
  /** Gives up the lease, and with it every member of this instance. */
  readonly leave: Effect.Effect<void, StoreUnavailable>
}>()("roomkey/services/PresenceStore") {}
