// The signalling socket's handshake. The frames that follow are in Frames.ts.
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import {
  AppMismatch,
  InvalidRequest,
  InvalidToken,
  OriginRefused,
  RateLimited,
  TenantSuspended,
  TokenExpired,
  Unavailable,
  UserBanned
} from "./Problems.ts"

export class Realtime extends HttpApiGroup.make("realtime", { topLevel: true })
  .add(
    HttpApiEndpoint.get("ws", "/ws", {
      success: HttpApiSchema.Empty(101),
      error: [
        InvalidRequest,
        InvalidToken,
        TokenExpired,
        AppMismatch,
        OriginRefused,
        TenantSuspended,
        UserBanned,
        RateLimited,
        Unavailable
      ]
    }).annotateMerge(OpenApi.annotations({
      summary: "Open the signalling socket",
      description: "A WebSocket handshake. The token goes in `Authorization: Bearer`, in the subprotocol pair " +
        "`roomkey.v1, roomkey.bearer.<token>`, or, where the tenant allows it, in `?token=`; in its place a ticket " +
        "goes in `?ticket=`. `app_id`, when given, must be the session's tenant."
    }))
  )
  .annotateMerge(OpenApi.annotations({ title: "Realtime" })) {}
