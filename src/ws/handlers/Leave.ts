import type { LeaveChannel } from "../../api/Frames.ts"
import { answer } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import type { Rooms } from "../Rooms.ts"

export const leave = (rooms: Rooms["Service"], connection: Connection, frame: typeof LeaveChannel.Type) =>
  answer(connection, frame, rooms.leave(connection))
