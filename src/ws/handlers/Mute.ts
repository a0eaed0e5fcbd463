import { Effect } from "effect"
import type { Mute } from "../../api/Frames.ts"
import { NotAllowed } from "../../domain/Channel.ts"
import { answer, answering } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import type { Rest } from "../Dispatch.ts"
import type { Rooms } from "../Rooms.ts"
import { moderate } from "./Moderate.ts"

export const mute = (rooms: Rooms["Service"], connection: Connection, frame: typeof Mute.Type): Rest => {
  const { connection_id: target, muted } = frame.payload
  if (target === undefined || target === connection.id) {
    return answer(connection, frame, rooms.mute(connection, muted))
  }
  return answering(
    connection,
    frame,
    moderate(
      rooms,
      connection,
      target,
      (member) =>
        !muted && member.mutedBy === null && member.mutedByItself
          ? Effect.fail(new NotAllowed({ reason: "muted_by_itself" }))
          : Effect.succeed({ muted })
    )
  )
}
