// The ICE servers that the caller may use.
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../../api/Api.ts"
import { CurrentSession } from "../../api/Authorization.ts"
import { toIceServer } from "../../api/IceServers.ts"
import { IceServers } from "../../services/IceServers.ts"

export const iceServersLayer = HttpApiBuilder.group(Api, "iceServers", (handlers) =>
  handlers.handleAll({
    list: Effect.fnUntraced(function* () {
      const { user } = yield* CurrentSession
      const ice = yield* IceServers
      const { expiresIn, servers } = ice.forUser(user.id)
      return { ice_servers: servers.map(toIceServer), expires_in: expiresIn }
    })
  }))
