// Which handler answers which client frame. A frame without a handler does not compile.
import type { Effect } from "effect"
import type { ClientFrame, ClientFrames } from "../api/Frames.ts"
import type { Connection } from "./Connection.ts"
import { ping } from "./handlers/Ping.ts"

type Handlers = {
  readonly [Type in keyof ClientFrames]: (connection: Connection, frame: ClientFrames[Type]) => Effect.Effect<void>
}

const handlers: Handlers = { ping }

const handle = <Type extends keyof ClientFrames>(type: Type, connection: Connection, frame: ClientFrames[Type]) =>
  handlers[type](connection, frame)

export const dispatch = (connection: Connection, frame: ClientFrame): Effect.Effect<void> =>
  handle(frame.type, connection, frame)
