// GET /ws: who may open a socket. Everything is refused before the upgrade, as an ordinary HTTP answer.
import { Effect, type Redacted } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../api/Api.ts"
import * as Problems from "../api/Problems.ts"
import { authenticate } from "../flows/sessions/Authenticate.ts"
import { redeemTicket } from "../flows/sessions/RedeemTicket.ts"
import { AuditLog } from "../services/AuditLog.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { handshakeProblem, originAllowed, presented } from "./Handshake.ts"
import { Registry } from "./Registry.ts"
import { openSocket } from "./Upgrade.ts"

const byToken = Effect.fnUntraced(function* (token: Redacted.Redacted, inQuery: boolean) {
  const principal = yield* authenticate(token).pipe(
    Effect.catchTags({
      InvalidToken: () => new Problems.InvalidToken({}),
      TokenExpired: () => new Problems.TokenExpired({}),
      UserBanned: () => new Problems.UserBanned({}),
      TenantSuspended: () => new Problems.TenantSuspended({}),
      StoreUnavailable: () => new Problems.Unavailable({})
    })
  )
  return inQuery && !principal.queryTokens ? yield* Problems.noQueryTokens() : principal
})

const byTicket = (ticket: Redacted.Redacted) =>
  redeemTicket(ticket).pipe(
    Effect.catchTags({
      InvalidTicket: () => new Problems.InvalidToken({ detail: "The ticket is unknown, used, expired or revoked" }),
      TokenExpired: () => new Problems.TokenExpired({}),
      UserBanned: () => new Problems.UserBanned({}),
      TenantSuspended: () => new Problems.TenantSuspended({}),
      StoreUnavailable: () => new Problems.Unavailable({})
    })
  )

const admit = Effect.gen(function* () {
  const lifecycle = yield* Lifecycle
  const registry = yield* Registry
  const { headers, method } = yield* HttpServerRequest.HttpServerRequest
  const searchParams = yield* HttpServerRequest.ParsedSearchParams
  if (yield* lifecycle.draining) return yield* new Problems.Unavailable({ detail: "The instance is restarting" })
  const credential = presented({ headers, searchParams })
  if (credential._tag === "Conflict") {
    return yield* new Problems.InvalidRequest({ detail: "The request carries different credentials: send one" })
  }
  if (credential._tag === "Missing") {
    return yield* new Problems.InvalidToken({ detail: "A session token or a ticket is needed" })
  }
  const principal = credential._tag === "Ticket"
    ? yield* byTicket(credential.ticket)
    : yield* byToken(credential.token, credential.inQuery)
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
