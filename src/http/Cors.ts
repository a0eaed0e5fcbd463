// What pages on other origins may do (https://fetch.spec.whatwg.org/#http-cors-protocol).
import { Context, Effect, Layer } from "effect"
import { HttpEffect, HttpMiddleware, HttpRouter, HttpServerResponse } from "effect/http"

/** The origins whose pages may; with none, nothing is said of it. */
export const CorsOrigins = Context.Reference<ReadonlyArray<string>>("roomkey/http/CorsOrigins", {
  defaultValue: () => []
})

const cors = (origins: ReadonlyArray<string>) =>
  HttpMiddleware.cors({
    allowedOrigins: origins,
    allowedHeaders: ["authorization", "content-type", "x-request-id"],
    exposedHeaders: ["x-request-id", "retry-after", "www-authenticate"],
    maxAge: 86_400
  })

export const layer = Layer.unwrap(
  Effect.map(
    CorsOrigins,
    (origins) => origins.length === 0 ? Layer.empty : HttpRouter.middleware(cors(origins), { global: true })
  )
)

type Response = HttpServerResponse.HttpServerResponse

/** Marks an answer as the middleware does, which is asked once for each origin. */
export const mark = Effect.gen(function* () {
  const origins = yield* CorsOrigins
  if (origins.length === 0) return (_: string | undefined, response: Response) => response
  const answer = HttpEffect.toWebHandler(cors(origins)(Effect.succeed(HttpServerResponse.empty())))
  const marksFor = (origin: string) =>
    Effect.map(
      Effect.promise(() => answer(new Request("http://localhost", { headers: { origin } }))),
      ({ headers }) => Object.fromEntries(headers)
    )
  const forOthers = yield* marksFor("")
  const byOrigin = new Map(
    // No header says an origin in other characters.
    yield* Effect.forEach(
      origins.filter((origin) => /^[!-~]+$/.test(origin)),
      (origin) => Effect.map(marksFor(origin), (marks) => [origin, marks] as const)
    )
  )
  return (origin: string | undefined, response: Response) =>
    HttpServerResponse.setHeaders(response, byOrigin.get(origin ?? "") ?? forOthers)
})
