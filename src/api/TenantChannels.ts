// A tenant's voice rooms, for its backend: what they allow, who is in them, and what was decided about users there.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ChannelName } from "../domain/Channel.ts"
import { ChannelId, UserId } from "../domain/Ids.ts"
import { DefaultRole, Role, WhoMaySpeak } from "../domain/Role.ts"
import { ApiKey } from "./Authorization.ts"
import { pageQuery, Timestamp } from "./Common.ts"
import { Member } from "./Member.ts"
import { NotFound, Unavailable } from "./Problems.ts"

const settings = {
  default_role: Schema.optionalKey(DefaultRole).annotate({ description: "The role of who was given none: `guest`" }),
  who_may_speak: Schema.optionalKey(WhoMaySpeak).annotate({
    description: "`everyone` but listeners, or hosts and `speakers` only"
  })
}

export const TenantChannel = Schema.Struct({
  id: ChannelId,
  name: Schema.String,
  default_role: DefaultRole,
  who_may_speak: WhoMaySpeak,
  created_by: Schema.NullOr(UserId).annotate({ description: "The user who made it, and so is its host" }),
  created_at: Timestamp
})

export const TenantChannelPage = Schema.Struct({
  channels: Schema.Array(TenantChannel),
  next_cursor: Schema.NullOr(Schema.String).annotate({ description: "Pass as `cursor` for the next page" })
})

/** What was decided about a user in a channel, for good. */
export const Standing = Schema.Struct({
  role: Schema.NullOr(Role),
  muted: Schema.Boolean,
  removed: Schema.Boolean.annotate({ description: "Sessions from before the removal may not join" })
})

const one = { id: ChannelId }
const user = { id: ChannelId, user_id: UserId }

export class TenantChannels extends HttpApiGroup.make("tenantChannels")
  .add(
    HttpApiEndpoint.get("list", "/api/tenant/channels", {
      query: pageQuery,
      success: TenantChannelPage,
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({ summary: "Your channels, page by page" })),
    HttpApiEndpoint.post("create", "/api/tenant/channels", {
      payload: Schema.Struct({ name: ChannelName, ...settings }),
      success: TenantChannel.pipe(HttpApiSchema.status(201)),
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({ summary: "Make a channel, which has no host until you name one" })),
    HttpApiEndpoint.patch("change", "/api/tenant/channels/:id", {
      params: one,
      payload: Schema.Struct({ name: Schema.optionalKey(ChannelName), ...settings }),
      success: TenantChannel,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Change a channel",
      description: "Absent fields stay. Who is in it is given the role that it would get on joining."
    })),
    HttpApiEndpoint.delete("remove", "/api/tenant/channels/:id", {
      params: one,
      success: HttpApiSchema.NoContent,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Delete a channel; who is in it is told and taken out" })),
    HttpApiEndpoint.get("members", "/api/tenant/channels/:id/members", {
      params: one,
      success: Schema.Array(Member),
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Who is in a channel now, on whichever instance" })),
    HttpApiEndpoint.get("standing", "/api/tenant/channels/:id/users/:user_id", {
      params: user,
      success: Standing,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "What was decided about a user in a channel" })),
    HttpApiEndpoint.patch("changeStanding", "/api/tenant/channels/:id/users/:user_id", {
      params: user,
      payload: Schema.Struct({
        role: Schema.optionalKey(Schema.NullOr(Role)),
        muted: Schema.optionalKey(Schema.Boolean),
        removed: Schema.optionalKey(Schema.Boolean)
      }),
      success: Standing,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Give a user a role in a channel, mute, unmute, remove it or let it in again",
      description:
        "Absent fields stay. It takes effect on who is in the channel at once, and lasts; a mute of yours is " +
        "undone by nobody else. A removed user may join again by a session that it opens afterwards."
    }))
  )
  .middleware(ApiKey)
  .annotateMerge(OpenApi.annotations({ title: "Channels, for your backend" })) {}
