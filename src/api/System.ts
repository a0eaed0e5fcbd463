// What an operator's machines ask.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Unavailable } from "./Problems.ts"

const Status = Schema.Struct({ status: Schema.Literal("ok") })

export class System extends HttpApiGroup.make("system", { topLevel: true })
  .add(
    HttpApiEndpoint.get("health", "/health", { success: Status }).annotateMerge(
      OpenApi.annotations({ summary: "The process is up" })
    ),
    HttpApiEndpoint.get("ready", "/ready", { success: Status, error: Unavailable }).annotateMerge(
      OpenApi.annotations({ summary: "The database answers and the instance takes traffic" })
    ),
    HttpApiEndpoint.get("metrics", "/metrics", {
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" }))
    }).annotateMerge(OpenApi.annotations({ summary: "Prometheus metrics" }))
  )
  .annotateMerge(OpenApi.annotations({ title: "System" })) {}
