// A member of a channel as the wire shows it.
import { Schema } from "effect"
import { isMuted, type Member as DomainMember } from "../domain/Channel.ts"
import { UserId } from "../domain/Ids.ts"
import { Role } from "../domain/Role.ts"
import { Metadata } from "../domain/User.ts"

export const Member = Schema.Struct({
  connection_id: Schema.String,
  user_id: UserId,
  username: Schema.String,
  custom_id: Schema.NullOr(Schema.String),
  picture_url: Schema.NullOr(Schema.String),
  metadata: Schema.NullOr(Metadata),
  role: Role,
  muted: Schema.Boolean,
  speaking: Schema.Boolean
})
export type Member = typeof Member.Type

export const toMember = (member: DomainMember): Member => ({
  connection_id: member.connectionId,
  user_id: member.user.id,
  username: member.user.username,
  custom_id: member.user.customId,
  picture_url: member.user.pictureUrl,
  metadata: member.user.metadata,
  role: member.role,
  muted: isMuted(member),
  speaking: member.speaking
})
