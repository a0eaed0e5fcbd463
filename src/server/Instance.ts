// One instance, from its configuration to its end.
import { Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { RoomkeyConfig } from "../Config.ts"
import { firstStart } from "./FirstStart.ts"
import * as Server from "./Server.ts"

const started = (config: RoomkeyConfig) =>
  Layer.effectDiscard(Effect.gen(function* () {
    yield* firstStart(config)
    yield* HttpServer.addressFormattedWith((address) => Effect.logInfo(`Listening on ${address}`))
  }))

/** Serves until it is interrupted. */
export const launch = Layer.launch(
  Layer.unwrap(Effect.map(RoomkeyConfig, (config) => started(config).pipe(Layer.provideMerge(Server.layer(config)))))
)
