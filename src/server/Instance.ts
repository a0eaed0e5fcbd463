// One instance, from its configuration to its end.
import { Effect, Layer, Option, References } from "effect"
import { HttpServer } from "effect/http"
import { RoomkeyConfig } from "../Config.ts"
import { firstStart } from "./FirstStart.ts"
import * as Server from "./Server.ts"

const started = (config: RoomkeyConfig) =>
  Layer.effectDiscard(Effect.gen(function* () {
    yield* firstStart(config)
    yield* HttpServer.addressFormattedWith((address) => Effect.logInfo(`Listening on ${address}`))
  }))

/** Spans that nobody receives are not made. A program that embeds the service may have a tracer of its own. */
const tracing = (config: RoomkeyConfig) => Layer.succeed(References.TracerEnabled, Option.isSome(config.otlpEndpoint))

/** Serves until it is interrupted. */
export const launch = Effect.flatMap(
  RoomkeyConfig,
  (config) =>
    Layer.launch(started(config).pipe(Layer.provideMerge(Server.layer(config)), Layer.provide(tracing(config))))
)
