// Starts Roomkey, on Node or on Deno, and ends it in order on SIGTERM or SIGINT.
import "./server/CompileCache.js"

const NodeRuntime = await import("@effect/platform-node/NodeRuntime")
const { launch } = await import("./server/Instance.ts")
const { teardown } = await import("./server/Teardown.ts")

NodeRuntime.runMain(launch, { teardown })
