// Starts Roomkey, on Node or on Deno, and ends it in order on SIGTERM or SIGINT.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Effect, Exit, Layer, Runtime } from "effect"
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

/** Ended by a signal and in order is how a service ends well: 0, so that a supervisor sees no failure. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)

NodeRuntime.runMain(Layer.launch(main), { teardown })
