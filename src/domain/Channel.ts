// A voice room of a tenant: its settings, what users are in it for good, and who is in it now.
import { Schema } from "effect"
import { ChannelId, type UserId } from "./Ids.ts"
import { type Claim, type DefaultRole, grantRole, maySpeak, type Role, type WhoMaySpeak } from "./Role.ts"
import { displayName } from "./Text.ts"
import type { User } from "./User.ts"

export const ChannelName = displayName(128).pipe(Schema.brand("ChannelName"))
export type ChannelName = typeof ChannelName.Type

export interface Channel {
  readonly id: ChannelId
  readonly name: string
}

export interface ChannelSettings {
  /** The role of who was given none. */
  readonly defaultRole: DefaultRole
  readonly whoMaySpeak: WhoMaySpeak
}

export interface ChannelRecord extends Channel, ChannelSettings {
  /** Who made it, its first host; `null` when the tenant did, or when that user was erased. */
  readonly createdBy: UserId | null
  /** Milliseconds of the Unix epoch. */
  readonly createdAt: number
}

/** Who muted a user: a host may undo what hosts did, the tenant everything. */
export const MutedBy = Schema.Literals(["host", "tenant"])
export type MutedBy = typeof MutedBy.Type

/** What was decided about a user in a channel. It outlives the user's connections. */
export interface Standing {
  readonly role: Role | null
  readonly mutedBy: MutedBy | null
  /** A session from before the removal may not join; one that the user opens afterwards may. */
  readonly removed: boolean
}

/** Absent fields stay. */
export interface StandingChange {
  readonly role?: Role | null | undefined
  readonly muted?: boolean | undefined
  readonly removed?: boolean | undefined
}

/** What decides about a user who is, or wants to be, in a channel by a session. */
export interface Admission {
  readonly claim: Claim
  readonly standing: Standing
}

/** What a member may do, as the server decided. */
export interface Seat {
  readonly role: Role
  readonly maySpeak: boolean
  readonly mutedBy: MutedBy | null
}

/** The seat of who asks for the role `requested`, if for any. */
export const seatFor = ({ claim, standing }: Admission, requested: Role | undefined): Seat => {
  const role = grantRole(claim, requested)
  return { role, maySpeak: maySpeak(role, claim.whoMaySpeak), mutedBy: standing.mutedBy }
}

/** A connection in a channel. */
export interface Member {
  readonly connectionId: string
  readonly channelId: ChannelId
  readonly user: User
  readonly role: Role
  readonly mutedByItself: boolean
  readonly mutedBy: MutedBy | null
  readonly speaking: boolean
}

export const isMuted = (member: Member): boolean => member.mutedByItself || member.mutedBy !== null

export class ChannelNotFound extends Schema.TaggedError<ChannelNotFound>()("ChannelNotFound", {}) {}

export class ChannelFull extends Schema.TaggedError<ChannelFull>()("ChannelFull", { channelId: ChannelId }) {}

/** The user was removed from the channel while this session was open. */
export class RemovedFromChannel extends Schema.TaggedError<RemovedFromChannel>()("RemovedFromChannel", {
  channelId: ChannelId
}) {}

export class NotInChannel extends Schema.TaggedError<NotInChannel>()("NotInChannel", {}) {}

export class MemberNotFound extends Schema.TaggedError<MemberNotFound>()("MemberNotFound", {}) {}

export const NotAllowedReason = Schema.Literals([
  "not_host",
  "target_is_host",
  "may_not_speak",
  "muted",
  "muted_by_host",
  "muted_by_tenant",
  "muted_by_itself",
  "sends_media"
])
export type NotAllowedReason = typeof NotAllowedReason.Type

/** Not within the role of who asked. */
export class NotAllowed extends Schema.TaggedError<NotAllowed>()("NotAllowed", { reason: NotAllowedReason }) {}
