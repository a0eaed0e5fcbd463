// The tenant's channels, for its signed-in users.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ChannelName } from "../domain/Channel.ts"
import { ChannelId } from "../domain/Ids.ts"
import { SessionToken } from "./Authorization.ts"
import { RateLimited, Unavailable } from "./Problems.ts"

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
    }).annotateMerge(OpenApi.annotations({ summary: "Make a channel" }))
  )
  .middleware(SessionToken)
  .annotateMerge(OpenApi.annotations({ title: "Channels" })) {}
