// What a schema says of a request that does not fit: every field by path, and never the value that was sent.
import { Effect, SchemaIssue } from "effect"
import { HttpApiMiddleware } from "effect/http-api"
import { ValidRequest } from "../api/Authorization.ts"
import { InvalidRequest } from "../api/Problems.ts"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

export const fieldErrors = (issue: SchemaIssue.Issue) =>
  format(issue).issues.map(({ message, path = [] }) => ({
    path: path.map((segment) => String(typeof segment === "object" ? segment.key : segment)).join("."),
    message
  }))

export const validRequestLayer = HttpApiMiddleware.layerSchemaErrorTransform(ValidRequest, (error) => {
  // An answer that does not fit its own schema is a bug here, not the caller's.
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.die(error)
  return Effect.fail(
    new InvalidRequest({ detail: "The request does not fit its schema", errors: fieldErrors(error.cause.issue) })
  )
})
