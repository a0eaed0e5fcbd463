// The tenant's channels, for its signed-in users.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ChannelName } from "../domain/Channel.ts"
import { ChannelId } from "../domain/Ids.ts"
import { SessionToken } from "./Authorization.ts"
import { NotAllowed, NotFound, RateLimited, Unavailable } from "./Problems.ts"

export const Channel = Schema.Struct({ id: ChannelId, name: Schema.String })

export class Channels extends HttpApiGroup.make("channels")
  .add(
    HttpApiEndpoint.get("list", "/api/channels", { success: Schema.Array(Channel), error: Unavailable }).annotateMerge(
      OpenApi.annotations({ summary: "The tenant's channels" })
    ),
    HttpApiEndpoint.post("create", "/api/channels", {
      payload: Schema.Struct({ name: ChannelName }),
      success: Channel.pipe(HttpApiSchema.status(201)),
      error: [RateLimited, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Make a channel, and be its host" })),
    HttpApiEndpoint.delete("remove", "/api/channels/:id", {
      params: { id: ChannelId },
      success: HttpApiSchema.NoContent,
      error: [NotFound, NotAllowed, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "As a host, delete a channel; who is in it is told and taken out" })
    )
  )
  .middleware(SessionToken)
  .annotateMerge(OpenApi.annotations({ title: "Channels" })) {}
