// What instances tell each other about voice rooms. A notice says where to look, never what is there: whoever hears it
// reads the rows, so notices may come twice, late or in another order.
import { Data } from "effect"
import type { ChannelId, UserId } from "./Ids.ts"

export type RoomNotice = Data.TaggedEnum<{
  /** The rows of these connections were written or removed by another instance. */
  MembersChanged: { readonly channelId: ChannelId; readonly connectionIds: ReadonlyArray<string> }
  /** What was decided about a user in a channel, or, without a user, about the channel, is another now. */
  DecisionsChanged: { readonly channelId: ChannelId; readonly userId: UserId | null }
  /** A frame, encoded, for a connection of this instance. */
  Relay: Relay
  /** Notices may have been missed. */
  Gap: {}
}>
export const RoomNotice = Data.taggedEnum<RoomNotice>()

export interface Relay {
  readonly channelId: ChannelId
  readonly from: string
  readonly to: string
  readonly text: string
}
