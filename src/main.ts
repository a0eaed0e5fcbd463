// Starts Roomkey, on Node or on Deno, and ends it in order on SIGTERM or SIGINT.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { launch } from "./server/Instance.ts"
import { teardown } from "./server/Teardown.ts"

NodeRuntime.runMain(launch, { teardown })
