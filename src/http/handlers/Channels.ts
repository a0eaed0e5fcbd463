// The tenant's channels.
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../../api/Api.ts"
import { CurrentSession } from "../../api/Authorization.ts"
import * as Problems from "../../api/Problems.ts"
import { ChannelRepository } from "../../services/ChannelRepository.ts"

export const channelsLayer = HttpApiBuilder.group(Api, "channels", (handlers) =>
  handlers.handleAll({
    list: Effect.fnUntraced(function* () {
      const { tenantId } = yield* CurrentSession
      const channels = yield* ChannelRepository
      return yield* channels.list(tenantId)
    }, Effect.catchTags({ StoreUnavailable: () => new Problems.Unavailable({}) })),
    create: Effect.fnUntraced(function* ({ payload }) {
      const { tenantId, user } = yield* CurrentSession
      const channels = yield* ChannelRepository
      return yield* channels.create(tenantId, payload.name, user.id)
    }, Effect.catchTags({ StoreUnavailable: () => new Problems.Unavailable({}) }))
  }))
