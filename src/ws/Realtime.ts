// GET /ws: who may open a socket. Everything is refused before the upgrade, as an ordinary HTTP answer.
import { Effect, Option } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../api/Api.ts"
import * as Problems from "../api/Problems.ts"
import { authenticate } from "../flows/sessions/Authenticate.ts"
import { AuditLog } from "../services/AuditLog.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { handshakeProblem, originAllowed, presentedToken } from "./Handshake.ts"
import { Registry } from "./Registry.ts"
import { openSocket } from "./Upgrade.ts"

const admit = Effect.gen(function* () {
  const lifecycle = yield* Lifecycle
  const registry = yield* Registry
  const { headers, method } = yield* HttpServerRequest.HttpServerRequest
  const searchParams = yield* HttpServerRequest.ParsedSearchParams
  if (lifecycle.draining()) return yield* new Problems.Unavailable({ detail: "The instance is restarting" })
  const token = presentedToken({ headers, searchParams })
  if (token === "Conflict") {
    return yield* new Problems.InvalidRequest({ detail: "The request carries different tokens: send one" })
  }
  if (Option.isNone(token)) return yield* new Problems.InvalidToken({ detail: "A session token is needed" })
  const principal = yield* authenticate(token.value).pipe(
    Effect.catchTags({
      InvalidToken: () => new Problems.InvalidToken({}),
      TokenExpired: () => new Problems.TokenExpired({}),
      UserBanned: () => new Problems.UserBanned({}),
      TenantSuspended: () => new Problems.TenantSuspended({}),
      StoreUnavailable: () => new Problems.Unavailable({})
    })
  )
  const appId = searchParams["app_id"]
  if (appId !== undefined && appId !== principal.appId) return yield* new Problems.AppMismatch({})
  if (!originAllowed(principal.allowedOrigins, headers["origin"])) return yield* new Problems.OriginRefused({})
  const detail = handshakeProblem(method, headers)
  if (detail !== undefined) return yield* new Problems.InvalidRequest({ detail })
  if (registry.isFull(principal.user.id)) {
    return yield* new Problems.RateLimited({ detail: "The user has too many sockets open" })
  }
  return principal
})

export const realtimeLayer = HttpApiBuilder.group(
  Api,
  "realtime",
  (handlers) =>
    handlers.handleRaw("ws", ({ request }) =>
      Effect.gen(function* () {
        const principal = yield* admit
        const audit = yield* AuditLog
        const socket = yield* Effect.orDie(request.upgrade)
        yield* audit.countSocket(principal.tenantId)
        yield* openSocket(principal, socket)
      }))
)
