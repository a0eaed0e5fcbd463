import { Effect } from "effect"
import type { IceCandidate, WebrtcAnswer, WebrtcOffer } from "../../api/Frames.ts"
import { answering } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import { Rooms } from "../Rooms.ts"

/** What two members have to tell each other before they hear each other. */
export const signal = Effect.fnUntraced(function* (
  connection: Connection,
  frame: typeof WebrtcOffer.Type | typeof WebrtcAnswer.Type | typeof IceCandidate.Type
) {
  const rooms = yield* Rooms
  yield* answering(connection, frame, rooms.relay(connection, frame))
})
