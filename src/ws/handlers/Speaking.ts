import { Effect } from "effect"
import type { Speaking } from "../../api/Frames.ts"
import { answering } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import { Rooms } from "../Rooms.ts"

export const speaking = (connection: Connection, frame: typeof Speaking.Type) =>
  Effect.flatMap(Rooms, (rooms) => answering(connection, frame, rooms.speak(connection, frame.payload.speaking)))
