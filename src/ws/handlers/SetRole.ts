import { Effect } from "effect"
import type { SetRole } from "../../api/Frames.ts"
import { answering } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import type { Rooms } from "../Rooms.ts"
import { moderate } from "./Moderate.ts"

export const setRole = (rooms: Rooms["Service"], connection: Connection, frame: typeof SetRole.Type) =>
  answering(
    connection,
    frame,
    moderate(rooms, connection, frame.payload.connection_id, () => Effect.succeed({ role: frame.payload.role }))
  )
