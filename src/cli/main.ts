#!/usr/bin/env node
// The entry of the command line, on Node or on Deno.
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { run, teardown } from "./Roomkey.ts"

const args = process.argv.slice(2)

/** An import makes a call a row: a connection for each would cost more than the calls. */
const http = NodeHttpClient.layerNodeHttpOptions({ keepAlive: true })

NodeRuntime.runMain(
  // @effect-diagnostics-next-line strictEffectProvide:off
  Effect.provide(run(args), Layer.mergeAll(NodeServices.layer, http)),
  // What went wrong has been said already, in a line.
  { disableErrorReporting: true, teardown: teardown(args) }
)
