// Starts Roomkey, on Node or on Deno, and ends it in order on SIGTERM or SIGINT.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Instance from "./server/Instance.ts"

NodeRuntime.runMain(Instance.launch, { teardown: Instance.teardown })
