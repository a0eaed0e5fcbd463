// A user as the wire shows it.
import { Schema } from "effect"
import { type TenantId, UserId } from "../domain/Ids.ts"
import { CustomId, Metadata, PictureUrl, type Profile, type User as DomainUser, Username } from "../domain/User.ts"

const userFields = {
  id: UserId,
  username: Schema.String,
  custom_id: Schema.NullOr(Schema.String),
  picture_url: Schema.NullOr(Schema.String),
  metadata: Schema.NullOr(Metadata)
}

export const User = Schema.Struct(userFields)

export const toUser = (user: DomainUser): typeof User.Type => ({
  id: user.id,
  username: user.username,
  custom_id: user.customId,
  picture_url: user.pictureUrl,
  metadata: user.metadata
})

/** The caller itself. */
export const toMe = (tenantId: TenantId, user: DomainUser) => {
  const { id, username, ...profile } = toUser(user)
  return { id, username, tenant_id: tenantId, ...profile }
}

export const profileFields = {
  username: Username,
  custom_id: Schema.optionalKey(CustomId),
  picture_url: Schema.optionalKey(PictureUrl),
  metadata: Schema.optionalKey(Metadata)
}

export const toProfile = (payload: {
  readonly username: Username
  readonly custom_id?: CustomId
  readonly picture_url?: PictureUrl
  readonly metadata?: Metadata
}): Profile => ({
  username: payload.username,
  customId: payload.custom_id,
  pictureUrl: payload.picture_url,
  metadata: payload.metadata
})
