import type { Ping } from "../../api/Frames.ts"
import type { Connection } from "../Connection.ts"
import type { Rooms } from "../Rooms.ts"

export const ping = (_: Rooms["Service"], connection: Connection, { id }: typeof Ping.Type): undefined => {
  connection.send({ type: "pong", payload: {}, ...(id === undefined ? {} : { id }) })
}
