import { Effect } from "effect"
import type { Mute } from "../../api/Frames.ts"
import { NotAllowed } from "../../domain/Channel.ts"
import { answering } from "../Answer.ts"
import type { Connection } from "../Connection.ts"
import { Rooms } from "../Rooms.ts"
import { moderate } from "./Moderate.ts"

export const mute = Effect.fnUntraced(function* (connection: Connection, frame: typeof Mute.Type) {
  const rooms = yield* Rooms
  const { connection_id: target, muted } = frame.payload
  yield* answering(
    connection,
    frame,
    target === undefined || target === connection.id
      ? rooms.mute(connection, muted)
      : moderate(connection, target, (member) =>
        !muted && member.mutedBy === null && member.mutedByItself
          ? Effect.fail(new NotAllowed({ reason: "muted_by_itself" }))
          : Effect.succeed({ muted }))
  )
})
