import { Effect } from "effect"
import type { IceCandidate, WebrtcAnswer, WebrtcOffer } from "../../api/Frames.ts"
import { answering } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import { Rooms } from "../Rooms.ts"

/** What two members have to tell each other before they hear each other. */
export const signal = (
  connection: Connection,
  frame: typeof WebrtcOffer.Type | typeof WebrtcAnswer.Type | typeof IceCandidate.Type
) => Effect.flatMap(Rooms, (rooms) => answering(connection, frame, rooms.relay(connection, frame)))
