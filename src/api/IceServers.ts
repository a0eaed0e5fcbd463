// The ICE servers again: `ready` names them first, and TURN credentials end before a socket does.
import { Redacted, Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import type * as Domain from "../domain/IceServer.ts"
import { SessionToken } from "./Authorization.ts"
import { IceServer } from "./IceServer.ts"

export const toIceServer = ({ credential, ...server }: Domain.IceServer): IceServer => ({
  ...server,
  ...(credential === undefined ? {} : { credential: Redacted.value(credential) })
})

export class IceServers extends HttpApiGroup.make("iceServers")
  .add(
    HttpApiEndpoint.get("list", "/api/ice-servers", {
      success: Schema.Struct({
        ice_servers: Schema.Array(IceServer),
        expires_in: Schema.NullOr(Schema.Int).annotate({
          description: "Seconds until the credentials end; null when they do not"
        })
      })
    }).annotateMerge(OpenApi.annotations({
      summary: "STUN and TURN servers for your calls",
      description: "As `RTCPeerConnection` takes them. Ask again before they expire."
    }))
  )
  .middleware(SessionToken)
  .annotateMerge(OpenApi.annotations({ title: "ICE servers" })) {}
