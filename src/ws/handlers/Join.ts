import { Effect } from "effect"
import type { JoinChannel } from "../../api/Frames.ts"
import { answeringItself } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import { Rooms } from "../Rooms.ts"

export const join = Effect.fnUntraced(function* (connection: Connection, frame: typeof JoinChannel.Type) {
  const rooms = yield* Rooms
  const { channel_id: channelId, role } = frame.payload
  yield* answeringItself(connection, frame, rooms.join(connection, channelId, role, frame.id))
})
