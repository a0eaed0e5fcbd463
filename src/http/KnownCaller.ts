// `GET /api/me` for whom the session is remembered, in its commonest spelling: answered before the request is routed, decoded
// and encoded as the `Api` declares it. Everything else, and everybody who is not let in, goes that way.
import { Context, Effect } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { recallPrincipal } from "../flows/sessions/Authenticate.ts"
import { toMe } from "../api/User.ts"
import { RecentSessions } from "../services/RecentSessions.ts"
import { TokenCodec } from "../services/TokenCodec.ts"
import { sessionToken } from "./Credentials.ts"
import { nameRoute } from "./NameRoute.ts"

export const layer = HttpRouter.middleware(
  Effect.gen(function* () {
    const codec = yield* TokenCodec
    const recent = yield* RecentSessions
    return (app) =>
      Effect.withFiber((fiber) => {
        const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
        if (request.method !== "GET" || request.url !== "/api/me") return app
        const presented = sessionToken(request, {})
        if (presented._tag !== "Credential") return app
        const principal = recallPrincipal(presented.credential, codec, recent)
        if (principal === undefined) return app
        nameRoute(fiber, request.url)
        // As text, which goes out together with the head.
        const body = JSON.stringify(toMe(principal.tenantId, principal.user))
        return Effect.succeed(HttpServerResponse.raw(body, {
          contentType: "application/json",
          contentLength: Buffer.byteLength(body)
        }))
      })
  }),
  { global: true }
)
