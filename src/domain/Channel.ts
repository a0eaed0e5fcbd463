// A voice room of a tenant.
import { Schema } from "effect"
import type { ChannelId } from "./Ids.ts"
import { displayName } from "./Text.ts"

export const ChannelName = displayName(128).pipe(Schema.brand("ChannelName"))
export type ChannelName = typeof ChannelName.Type

export interface Channel {
  readonly id: ChannelId
  readonly name: string
}
