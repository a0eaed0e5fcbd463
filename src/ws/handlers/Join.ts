import type { JoinChannel } from "../../api/Frames.ts"
import { answeringItself } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import type { Rooms } from "../Rooms.ts"

export const join = (rooms: Rooms["Service"], connection: Connection, frame: typeof JoinChannel.Type) => {
  const { channel_id: channelId, role } = frame.payload
  return answeringItself(connection, frame, rooms.join(connection, channelId, role, frame.id))
}
