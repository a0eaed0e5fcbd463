import { Context, type Effect } from "effect"
import type { HttpServerError } from "effect/http/HttpServerError"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"

/** Reads the body of a request that is not read by anybody else, and that says how long it is. */
export const BodyText = Context.Reference<(request: HttpServerRequest) => Effect.Effect<string, HttpServerError>>(
  "roomkey/http/BodyText",
  { defaultValue: () => (request) => request.text }
)
