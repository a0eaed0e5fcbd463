#!/usr/bin/env node
// The entry of the command line, on Node or on Deno.
import "../server/CompileCache.js"

const NodeHttpClient = await import("@effect/platform-node/NodeHttpClient")
const NodeRuntime = await import("@effect/platform-node/NodeRuntime")
const NodeServices = await import("@effect/platform-node/NodeServices")
const { Effect, Layer } = await import("effect")
const { run, teardown } = await import("./Roomkey.ts")

const args = process.argv.slice(2)

/** An import makes a call a row: a connection for each would cost more than the calls. */
const http = NodeHttpClient.layerNodeHttpOptions({ keepAlive: true })

NodeRuntime.runMain(
  // @effect-diagnostics-next-line strictEffectProvide:off
  Effect.provide(run(args), Layer.mergeAll(NodeServices.layer, http)),
  // What went wrong has been said already, in a line.
  { disableErrorReporting: true, teardown: teardown(args) }
)
