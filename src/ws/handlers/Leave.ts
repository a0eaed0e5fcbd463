import { Effect } from "effect"
import type { LeaveChannel } from "../../api/Frames.ts"
import { answering } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import { Rooms } from "../Rooms.ts"

export const leave = Effect.fnUntraced(function* (connection: Connection, frame: typeof LeaveChannel.Type) {
  const rooms = yield* Rooms
  yield* answering(connection, frame, rooms.leave(connection))
})
