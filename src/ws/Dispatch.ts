// Which handler answers which client frame. A frame without a handler does not compile. What waits for nothing is done when
// its handler returns: most frames are signals and `speaking`, and a fiber for each would cost more than what it does.
import type { Effect } from "effect"
import type { ClientFrame, ClientFrames } from "../api/Frames.ts"
import type { AuditLog } from "../services/AuditLog.ts"
import type { ChannelRepository } from "../services/ChannelRepository.ts"
import type { RoomBus } from "../services/RoomBus.ts"
import type { Connection } from "./Connection.ts"
import { join } from "./handlers/Join.ts"
import { leave } from "./handlers/Leave.ts"
import { mute } from "./handlers/Mute.ts"
import { ping } from "./handlers/Ping.ts"
import { removeMember } from "./handlers/RemoveMember.ts"
import { setRole } from "./handlers/SetRole.ts"
import { signal } from "./handlers/Signal.ts"
import { speaking } from "./handlers/Speaking.ts"
import type { Rooms } from "./Rooms.ts"

type Needs = AuditLog | ChannelRepository | RoomBus

/** What is still to be done to answer a frame, if anything. */
export type Rest = Effect.Effect<void, never, Needs> | undefined

type Handlers = {
  readonly [Type in keyof ClientFrames]: (
    rooms: Rooms["Service"],
    connection: Connection,
    frame: ClientFrames[Type]
  ) => Rest
}

const handlers: Handlers = {
  ping,
  join_channel: join,
  leave_channel: leave,
  mute,
  speaking,
  set_role: setRole,
  remove_member: removeMember,
  webrtc_offer: signal,
  webrtc_answer: signal,
  ice_candidate: signal
}

const handle = <Type extends keyof ClientFrames>(
  type: Type,
  rooms: Rooms["Service"],
  connection: Connection,
  frame: ClientFrames[Type]
) => handlers[type](rooms, connection, frame)

export const dispatch = (rooms: Rooms["Service"], connection: Connection, frame: ClientFrame): Rest =>
  handle(frame.type, rooms, connection, frame)
