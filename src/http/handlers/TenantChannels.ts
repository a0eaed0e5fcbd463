// A tenant's voice rooms, for its backend.
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../../api/Api.ts"
import { CurrentTenant } from "../../api/Authorization.ts"
import { timestamp } from "../../api/Common.ts"
import { toMember } from "../../api/Member.ts"
import * as Problems from "../../api/Problems.ts"
import type { ChannelRecord, ChannelSettings, Standing } from "../../domain/Channel.ts"
import type { DefaultRole, WhoMaySpeak } from "../../domain/Role.ts"
import { changeChannel } from "../../flows/channels/ChangeChannel.ts"
import { changeStanding } from "../../flows/channels/ChangeStanding.ts"
import { deleteChannel } from "../../flows/channels/DeleteChannel.ts"
import { ChannelRepository } from "../../services/ChannelRepository.ts"
import { PresenceStore } from "../../services/PresenceStore.ts"

const toChannel = (channel: ChannelRecord) => ({
  id: channel.id,
  name: channel.name,
  default_role: channel.defaultRole,
  who_may_speak: channel.whoMaySpeak,
  created_by: channel.createdBy,
  created_at: timestamp(channel.createdAt)
})

const toSettings = (payload: {
  readonly default_role?: DefaultRole
  readonly who_may_speak?: WhoMaySpeak
}): Partial<ChannelSettings> => ({
  ...(payload.default_role === undefined ? {} : { defaultRole: payload.default_role }),
  ...(payload.who_may_speak === undefined ? {} : { whoMaySpeak: payload.who_may_speak })
})

const toStanding = ({ mutedBy, removed, role }: Standing) => ({ role, muted: mutedBy !== null, removed })

const noSuchChannel = () => new Problems.NotFound({ detail: "No such channel" })
const noSuchUser = () => new Problems.NotFound({ detail: "No such user" })
const unavailable = () => new Problems.Unavailable({})

export const tenantChannelsLayer = HttpApiBuilder.group(Api, "tenantChannels", (handlers) =>
  handlers.handleAll({
    list: Effect.fnUntraced(function* ({ query }) {
      const { tenantId } = yield* CurrentTenant
      const channels = yield* ChannelRepository
      const page = yield* channels.page(tenantId, { after: query.cursor ?? 0, limit: query.limit ?? 50 })
      return { channels: page.items.map(toChannel), next_cursor: page.next === null ? null : String(page.next) }
    }, Effect.catchTags({ StoreUnavailable: unavailable })),
    create: Effect.fnUntraced(function* ({ payload }) {
      const { tenantId } = yield* CurrentTenant
      const channels = yield* ChannelRepository
      return toChannel(yield* channels.create(tenantId, payload.name, null, toSettings(payload)))
    }, Effect.catchTags({ StoreUnavailable: unavailable })),
    change: Effect.fnUntraced(function* ({ params, payload }) {
      const { tenantId } = yield* CurrentTenant
      return toChannel(yield* changeChannel(tenantId, params.id, { name: payload.name, ...toSettings(payload) }))
    }, Effect.catchTags({ ChannelNotFound: noSuchChannel, StoreUnavailable: unavailable })),
    remove: Effect.fnUntraced(
      function* ({ params }) {
        const { tenantId } = yield* CurrentTenant
        yield* deleteChannel(tenantId, params.id, null)
      },
      Effect.catchTags({ ChannelNotFound: noSuchChannel, NotAllowed: Effect.die, StoreUnavailable: unavailable })
    ),
    members: Effect.fnUntraced(function* ({ params }) {
      const { tenantId } = yield* CurrentTenant
      const presence = yield* PresenceStore
      return (yield* presence.list(tenantId, params.id)).map(toMember)
    }, Effect.catchTags({ ChannelNotFound: noSuchChannel, StoreUnavailable: unavailable })),
    standing: Effect.fnUntraced(
      function* ({ params }) {
        const { tenantId } = yield* CurrentTenant
        const channels = yield* ChannelRepository
        return toStanding(yield* channels.standing(tenantId, params.id, params.user_id))
      },
      Effect.catchTags({ ChannelNotFound: noSuchChannel, UserNotFound: noSuchUser, StoreUnavailable: unavailable })
    ),
    changeStanding: Effect.fnUntraced(
      function* ({ params, payload }) {
        const { tenantId } = yield* CurrentTenant
        return toStanding(yield* changeStanding(tenantId, params.id, params.user_id, payload, null))
      },
      Effect.catchTags({
        ChannelNotFound: noSuchChannel,
        UserNotFound: noSuchUser,
        // A tenant may do all of it.
        NotAllowed: Effect.die,
        StoreUnavailable: unavailable
      })
    )
  }))
