// GET /ws: who may open a socket. Everything is refused before the upgrade, as an ordinary HTTP answer. Whoever is let in
// is so before there is a request: what the HTTP platform keeps of one, a socket would keep for hours.
import { Cause, Context, Effect, Exit, Layer, Option, Redacted, References, Result } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../api/Api.ts"
import * as Problems from "../api/Problems.ts"
import type { SessionPrincipal } from "../domain/Principal.ts"
import { authenticate, recallPrincipal } from "../flows/sessions/Authenticate.ts"
import { redeemTicket } from "../flows/sessions/RedeemTicket.ts"
import { AuditLog } from "../services/AuditLog.ts"
import { Caller } from "../services/Caller.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { RecentSessions } from "../services/RecentSessions.ts"
import { TokenCodec } from "../services/TokenCodec.ts"
import { handshakeProblem, originAllowed, type Presentation, presented } from "./Handshake.ts"
import { Handshakes, type Offer } from "./Handshakes.ts"
import { Registry } from "./Registry.ts"
import { socketOpener } from "./Upgrade.ts"

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

type Handshake = Presentation & { readonly method: string }

/** What a handshake is refused for although its credential is good. */
const objection = (
  principal: SessionPrincipal,
  { headers, method, searchParams }: Handshake,
  registry: Registry["Service"]
) => {
  const appId = searchParams["app_id"]
  if (appId !== undefined && appId !== principal.appId) return new Problems.AppMismatch({})
  if (!originAllowed(principal.allowedOrigins, headers["origin"])) return new Problems.OriginRefused({})
  const detail = handshakeProblem(method, headers)
  if (detail !== undefined) return new Problems.InvalidRequest({ detail })
  if (registry.isFull(principal.user.id)) {
    return new Problems.RateLimited({ detail: "The user has too many sockets open" })
  }
  return undefined
}

const admit = Effect.fnUntraced(function* (handshake: Handshake) {
  const lifecycle = yield* Lifecycle
  const registry = yield* Registry
  if (lifecycle.draining()) return yield* new Problems.Unavailable({ detail: "The instance is restarting" })
  const credential = presented(handshake, (secret) => Redacted.make(secret))
  if (credential._tag === "Conflict") {
    return yield* new Problems.InvalidRequest({ detail: "The request carries different credentials: send one" })
  }
  if (credential._tag === "Missing") {
    return yield* new Problems.InvalidToken({ detail: "A session token or a ticket is needed" })
  }
  const principal = credential._tag === "Ticket"
    ? yield* byTicket(credential.ticket)
    : yield* byToken(credential.token, credential.inQuery)
  const problem = objection(principal, handshake, registry)
  return problem === undefined ? principal : yield* problem
})

/** Whom `admit` would let in without asking anybody. Nothing says nothing: who is refused, is so by `admit`. */
const recaller = Effect.gen(function* () {
  const lifecycle = yield* Lifecycle
  const registry = yield* Registry
  const codec = yield* TokenCodec
  const recent = yield* RecentSessions
  return (handshake: Handshake): SessionPrincipal | undefined => {
    if (lifecycle.draining()) return undefined
    const credential = presented(handshake, codec.hashToken)
    if (credential._tag !== "Token") return undefined
    const token = Option.getOrUndefined(credential.token)
    const principal = token === undefined ? undefined : recallPrincipal(token, codec, recent)
    if (principal === undefined || credential.inQuery && !principal.queryTokens) return undefined
    return objection(principal, handshake, registry) === undefined ? principal : undefined
  }
})

/** Why a handshake was not let in, by its request's `source`: it is asked once. */
const refusals = new WeakMap<object, Cause.Cause<Problem>>()

type Problem = Effect.Error<ReturnType<typeof admit>>

/** Lets in who may open a socket, and makes a request to be refused of everybody else. */
export const doorLayer = Layer.effectDiscard(Effect.gen(function* () {
  const handshakes = yield* Handshakes
  const audit = yield* AuditLog
  const openSocket = yield* socketOpener
  const recall = yield* recaller
  const context = yield* Effect.context<Effect.Services<ReturnType<typeof admit>>>()

  const open = (offer: Offer, principal: SessionPrincipal): void => {
    const use = openSocket(principal, { caller: offer.caller, requestId: offer.requestId })
    audit.countSocket(principal.tenantId)
    offer.accept(use)
  }

  /** Whether it was accepted. */
  const openAtOnce = (offer: Offer): boolean => {
    const principal = recall(offer)
    if (principal !== undefined) open(offer, principal)
    return principal !== undefined
  }

  const refuse = (offer: Offer, cause: Cause.Cause<Problem>): void => {
    refusals.set(offer.source, cause)
    offer.decline()
  }

  yield* handshakes.receive((offer) => {
    const opened = Result.try(() => openAtOnce(offer))
    if (Result.isFailure(opened)) return refuse(offer, Cause.die(opened.failure))
    if (opened.success) return
    const answered = Effect.map(admit(offer), (admitted) => open(offer, admitted))
    const fiber = Effect.runForkWith(
      context.pipe(
        Context.add(Caller, offer.caller),
        Context.add(References.CurrentLogAnnotations, { requestId: offer.requestId })
      )
    )(answered)
    fiber.addObserver((exit) => {
      if (Exit.isFailure(exit)) refuse(offer, exit.cause)
    })
  })
}))

export const realtimeLayer = HttpApiBuilder.group(
  Api,
  "realtime",
  (handlers) =>
    handlers.handleRaw("ws", ({ request }) =>
      Effect.gen(function* () {
        const refusal = refusals.get(request.source)
        if (refusal !== undefined) return yield* Effect.failCause(refusal)
        const { headers, method } = request
        yield* admit({ headers, method, searchParams: yield* HttpServerRequest.ParsedSearchParams })
        return yield* new Problems.InvalidRequest({ detail: "Expected a WebSocket handshake for /ws" })
      }))
)
