import { Effect } from "effect"
import type { RemoveMember } from "../../api/Frames.ts"
import { answering } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import type { Rooms } from "../Rooms.ts"
import { moderate } from "./Moderate.ts"

export const removeMember = (rooms: Rooms["Service"], connection: Connection, frame: typeof RemoveMember.Type) =>
  answering(
    connection,
    frame,
    moderate(rooms, connection, frame.payload.connection_id, () => Effect.succeed({ removed: true }))
  )
