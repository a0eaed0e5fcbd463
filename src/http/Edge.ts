// What every answer has in common, whatever made it: a request id, a problem body for each error, the headers that
// RFC 6750 and RFC 9110 ask for, and one count. Nothing of a defect shows but that there was one.
import { type ByteSize, Cause, Clock, Context, Effect, Metric, References } from "effect"
import {
  FindMyWay,
  HttpIncomingMessage,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse,
  ProblemDetails
} from "effect/http"
import { Api } from "../api/Api.ts"
import * as Problems from "../api/Problems.ts"
import { requests, requestSeconds } from "../Metrics.ts"
import { Caller } from "../services/Caller.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { type Origin, TrustProxy } from "./ClientAddress.ts"
import { HttpCaller } from "./HttpCaller.ts"
import { RequestIds } from "./RequestIds.ts"

/** What of a request its answer is made by. */
export interface Asked extends Origin {
  readonly method: string
  readonly url: string
}

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const

/** The declared endpoints, to tell a wrong method from a wrong path. */
const declared = FindMyWay.make<true>()
for (const group of Object.values(Api.groups)) {
  for (const { method, path } of Object.values(group.endpoints)) declared.on(method, path, true)
}

for (const page of ["/openapi.json", "/docs"] as const) declared.on("GET", page, true)

const problemResponse = (problem: {
  readonly type: string
  readonly status: number
  readonly title: string
  readonly code: string
  readonly detail?: string | undefined
}): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(
    {
      type: problem.type,
      title: problem.title,
      status: problem.status,
      ...(problem.detail === undefined ? {} : { detail: problem.detail }),
      code: problem.code
    },
    { status: problem.status, contentType: ProblemDetails.contentType }
  )

const notFound = (request: Asked): HttpServerResponse.HttpServerResponse => {
  const allowed: Array<string> = methods.filter((method) => declared.find(method, request.url) !== undefined)
  if (allowed.length === 0) return problemResponse(new Problems.NotFound({}))
  if (allowed.includes("GET")) allowed.push("HEAD")
  return HttpServerResponse.setHeader(problemResponse(new Problems.MethodNotAllowed({})), "allow", allowed.join(", "))
}

/** For answers that the platform made without a body of ours. */
const byStatus = (
  request: Asked,
  response: HttpServerResponse.HttpServerResponse
): HttpServerResponse.HttpServerResponse => {
  switch (response.status) {
    case 404:
      return notFound(request)
    case 405:
      return HttpServerResponse.setHeader(
        problemResponse(new Problems.MethodNotAllowed({})),
        "allow",
        response.headers["allow"] ?? ""
      )
    case 413:
      return problemResponse(new Problems.PayloadTooLarge({}))
    case 415:
      return problemResponse(new Problems.UnsupportedMediaType({}))
    case 503:
      return problemResponse(new Problems.Unavailable({}))
    default:
      return response.status < 500
        ? problemResponse({ ...new Problems.InvalidRequest({}), status: response.status })
        : problemResponse(new Problems.InternalError({}))
  }
}

const isProblem = (response: HttpServerResponse.HttpServerResponse): boolean =>
  response.body._tag !== "Empty" && response.body.contentType === ProblemDetails.contentType

const fromCause = (
  request: Asked,
  cause: Cause.Cause<unknown>
): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  const error = Cause.squash(cause)
  if (HttpServerError.isHttpServerError(error)) {
    const { reason } = error
    if (reason._tag === "RouteNotFound") return Effect.succeed(notFound(request))
    if (reason._tag === "RequestParseError") {
      return Effect.succeed(problemResponse(
        reason.reason === "BodyTooLarge"
          ? new Problems.PayloadTooLarge({})
          : new Problems.InvalidRequest({ detail: "The body could not be read" })
      ))
    }
  }
  return Effect.logError("Request failed", cause).pipe(Effect.as(problemResponse(new Problems.InternalError({}))))
}

/** A token or a ticket. By the parameter's decoded name, as whoever reads it goes by that. */
const hasQueryCredential = (url: string): boolean => {
  const start = url.indexOf("?")
  if (start < 0) return false
  const query = new URLSearchParams(url.slice(start + 1))
  return query.has("token") || query.has("ticket")
}

/** The router would take a query after these as well, where nobody looks for a token to redact. */
const hasHiddenQuery = (url: string): boolean => /^[^?]*[;#]/.test(url)

/** What is refused before anything else looks at the request. */
const refusal = (
  request: Asked,
  maxBody: ByteSize.ByteSize | undefined
): HttpServerResponse.HttpServerResponse | undefined => {
  if (hasHiddenQuery(request.url)) {
    return problemResponse(new Problems.InvalidRequest({ detail: "The path may not contain ; or #" }))
  }
  // A body that says that it is too large is not waited for.
  const length = Number(request.headers["content-length"] ?? 0)
  return maxBody !== undefined && length > maxBody ? problemResponse(new Problems.PayloadTooLarge({})) : undefined
}

/** The codes by which a presented token, or key, was not accepted; other 401s speak of something in the body. */
const tokenCodes: ReadonlySet<string> = new Set(["invalid_token", "token_expired", "invalid_api_key"])

const codeOf = ({ body }: HttpServerResponse.HttpServerResponse): string =>
  body._tag === "Uint8Array" ? JSON.parse(new TextDecoder().decode(body.body)).code : ""

/** RFC 6750 section 3: an error only for who presented a credential. */
const challenge = (
  request: Asked,
  response: HttpServerResponse.HttpServerResponse
): string => {
  const { headers, url } = request
  const presented = headers.authorization !== undefined || headers["x-api-key"] !== undefined || hasQueryCredential(url)
  return presented && tokenCodes.has(codeOf(response)) ? 'Bearer error="invalid_token"' : "Bearer"
}

const finish = (
  request: Asked,
  answer: HttpServerResponse.HttpServerResponse,
  requestId: string,
  retryAfter: number | undefined
): HttpServerResponse.HttpServerResponse => {
  const response = answer.status >= 400 && !isProblem(answer) ? byStatus(request, answer) : answer
  const { setHeader } = HttpServerResponse
  let marked = setHeader(response, "x-request-id", requestId)
  // On every answer: the router takes one path in many spellings, and each may carry a token. What says itself how it
  // may be kept is the same for everybody.
  if (hasQueryCredential(request.url)) {
    marked = setHeader(setHeader(marked, "cache-control", "private, no-store"), "referrer-policy", "no-referrer")
  } else if (response.headers["cache-control"] === undefined) {
    marked = setHeader(marked, "cache-control", "no-store")
  }
  if (response.status === 401) marked = setHeader(marked, "www-authenticate", challenge(request, response))
  if (response.status === 429 || response.status === 503) {
    marked = setHeader(marked, "retry-after", String(retryAfter ?? 1))
  }
  return marked
}

const counters = new Map<string, Metric.Metric<number, unknown>>()

const counted = (method: string, status: number) => {
  const key = `${method} ${status}`
  let counter = counters.get(key)
  if (counter === undefined) {
    const label = methods.find((known) => known === method) ?? "other"
    counter = Metric.withAttributes(requests, { method: label, status: String(status) })
    counters.set(key, counter)
  }
  return counter
}

/** A request, and how whatever becomes of it is made its answer. */
export const exchange = Effect.gen(function* () {
  const lifecycle = yield* Lifecycle
  const hops = yield* TrustProxy
  const requestIds = yield* RequestIds
  const clock = yield* Clock.Clock
  const services = yield* Effect.context<never>()
  return (request: Asked) => {
    const requestId = requestIds.of(request.headers)
    const started = clock.currentTimeMillisUnsafe()
    const caller = new HttpCaller(request, hops)
    const answer = (made: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
      const finished = finish(request, made, requestId, caller.retryAfter)
      // Who keeps its connection would else meet the end of this instance with its next request.
      const response = lifecycle.draining() ? HttpServerResponse.setHeader(finished, "connection", "close") : finished
      // A socket ends here when it closes, hours after its handshake was answered.
      if (response.status === 101) return response
      counted(request.method, response.status).updateUnsafe(1, services)
      requestSeconds.updateUnsafe((clock.currentTimeMillisUnsafe() - started) / 1000, services)
      return response
    }
    /** Whose call it is, for flows and logs. */
    const within = <R>(context: Context.Context<R>): Context.Context<R> =>
      context.pipe(
        Context.add(References.CurrentLogAnnotations, { requestId }),
        Context.add(Caller, caller)
      )
    return {
      answer,
      within,
      interrupted: () => answer(problemResponse(new Problems.Unavailable({}))),
      wrap: <E, R>(
        app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
      ): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R> =>
        app.pipe(
          Effect.catchCauseIf((cause) => !Cause.hasInterruptsOnly(cause), (cause) => fromCause(request, cause)),
          Effect.updateContext(within<R>),
          Effect.map(answer)
        )
    }
  }
})

export const layer = HttpRouter.middleware(
  Effect.map(exchange, (exchange) => (app) =>
    Effect.withFiber((fiber) => {
      const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
      const { answer, wrap } = exchange(request)
      const refused = refusal(request, fiber.getRef(HttpIncomingMessage.MaxBodySize))
      if (refused !== undefined) return Effect.succeed(answer(refused))
      // Answers that are ready in the same turn go out together: each alone would wake its reader, which costs as much as
      // the answer.
      return Effect.tap(wrap(app), () => Effect.yieldNow)
    })),
  { global: true }
)
