// Logs and traces. Tokens and tickets in queries are redacted wherever a URL is recorded.
import { Effect, Layer, Logger, Option, References } from "effect"
import { FetchHttpClient, UrlParams } from "effect/http"
import type { RoomkeyConfig } from "../Config.ts"

const loggers = (config: RoomkeyConfig) => {
  const pretty = config.logFormat === "pretty" || (config.logFormat === "auto" && process.stdout.isTTY === true)
  return Logger.layer([pretty ? Logger.consolePretty() : Logger.consoleJson])
}

const traces = (config: RoomkeyConfig) =>
  Option.match(config.otlpEndpoint, {
    onNone: () => Layer.empty,
    onSome: (baseUrl) =>
      Layer.unwrap(Effect.map(
        Effect.promise(() => import("effect/observability/Otlp")),
        (Otlp) =>
          Otlp.layerJson({ baseUrl, resource: { serviceName: "roomkey" }, loggerMergeWithExisting: true }).pipe(
            Layer.provide(FetchHttpClient.layer)
          )
      ))
  })

export const layer = (config: RoomkeyConfig) =>
  traces(config).pipe(
    Layer.provideMerge(loggers(config)),
    Layer.provideMerge(Layer.mergeAll(
      Layer.succeed(References.MinimumLogLevel, config.logLevel),
      Layer.succeed(UrlParams.CurrentRedactedNames, ["token", "ticket"])
    ))
  )
