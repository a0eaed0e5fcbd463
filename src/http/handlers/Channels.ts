// The tenant's channels.
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../../api/Api.ts"
import { CurrentSession } from "../../api/Authorization.ts"
import * as Problems from "../../api/Problems.ts"
import { createChannel } from "../../flows/channels/CreateChannel.ts"
import { deleteChannel } from "../../flows/channels/DeleteChannel.ts"
import { ChannelRepository } from "../../services/ChannelRepository.ts"
import { tooMany } from "../TooMany.ts"

export const channelsLayer = HttpApiBuilder.group(Api, "channels", (handlers) =>
  handlers.handleAll({
    list: Effect.fnUntraced(function* () {
      const { tenantId } = yield* CurrentSession
      const channels = yield* ChannelRepository
      return yield* channels.list(tenantId)
    }, Effect.catchTags({ StoreUnavailable: () => new Problems.Unavailable({}) })),
    create: Effect.fnUntraced(function* ({ payload }) {
      const { tenantId, user } = yield* CurrentSession
      const { id, name } = yield* createChannel(tenantId, user.id, payload.name)
      return { id, name }
    }, Effect.catchTags({ RateLimited: tooMany, StoreUnavailable: () => new Problems.Unavailable({}) })),
    remove: Effect.fnUntraced(
      function* ({ params }) {
        const { sessionId, tenantId, user } = yield* CurrentSession
        yield* deleteChannel(tenantId, params.id, { userId: user.id, sessionId })
      },
      Effect.catchTags({
        ChannelNotFound: () => new Problems.NotFound({ detail: "No such channel" }),
        NotAllowed: () => new Problems.NotAllowed({}),
        StoreUnavailable: () => new Problems.Unavailable({})
      })
    )
  }))
