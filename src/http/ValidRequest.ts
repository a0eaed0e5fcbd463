// A request that does not fit its schema is refused with every field that is wrong.
import { Effect } from "effect"
import { HttpApiMiddleware } from "effect/http-api"
import { ValidRequest } from "../api/Authorization.ts"
import { fieldErrors, InvalidRequest } from "../api/Problems.ts"

export const validRequestLayer = HttpApiMiddleware.layerSchemaErrorTransform(ValidRequest, (error) => {
  // An answer that does not fit its own schema is a bug here, not the caller's.
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.die(error)
  return Effect.fail(
    new InvalidRequest({ detail: "The request does not fit its schema", errors: fieldErrors(error.cause.issue) })
  )
})
