import { Effect } from "effect"
import type { Ping } from "../../api/Frames.ts"
import type { Connection } from "../Connection.ts"

export const ping = (connection: Connection, frame: typeof Ping.Type): Effect.Effect<void> =>
  Effect.sync(() => connection.send({ type: "pong", payload: {}, ...(frame.id === undefined ? {} : { id: frame.id }) }))
