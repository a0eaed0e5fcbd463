// Starts Roomkey, on Node or on Deno, and ends it in order on SIGTERM or SIGINT.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { RoomkeyConfig } from "./Config.ts"
import { firstStart } from "./server/FirstStart.ts"
import * as Server from "./server/Server.ts"

const started = (config: RoomkeyConfig) =>
  Layer.effectDiscard(Effect.gen(function* () {
    yield* firstStart(config)
    yield* HttpServer.addressFormattedWith((address) => Effect.logInfo(`Listening on ${address}`))
  }))

const main = Layer.unwrap(
  Effect.map(RoomkeyConfig, (config) => started(config).pipe(Layer.provideMerge(Server.layer(config))))
)

NodeRuntime.runMain(Layer.launch(main))
