import type { Speaking } from "../../api/Frames.ts"
import { answer } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import type { Rooms } from "../Rooms.ts"

export const speaking = (rooms: Rooms["Service"], connection: Connection, frame: typeof Speaking.Type) =>
  answer(connection, frame, rooms.speak(connection, frame.payload.speaking))
