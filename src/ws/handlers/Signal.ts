import type { IceCandidate, WebrtcAnswer, WebrtcOffer } from "../../api/Frames.ts"
import { answer } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import type { Rooms } from "../Rooms.ts"

/** What two members have to tell each other before they hear each other. */
export const signal = (
  rooms: Rooms["Service"],
  connection: Connection,
  frame: typeof WebrtcOffer.Type | typeof WebrtcAnswer.Type | typeof IceCandidate.Type
) => answer(connection, frame, rooms.relay(connection, frame))
