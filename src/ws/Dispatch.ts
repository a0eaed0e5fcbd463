// Which handler answers which client frame. A frame without a handler does not compile.
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

type Needs = AuditLog | ChannelRepository | RoomBus | Rooms

type Handlers = {
  readonly [Type in keyof ClientFrames]: (
    connection: Connection,
    frame: ClientFrames[Type]
  ) => Effect.Effect<void, never, Needs>
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

const handle = <Type extends keyof ClientFrames>(type: Type, connection: Connection, frame: ClientFrames[Type]) =>
  handlers[type](connection, frame)

export const dispatch = (connection: Connection, frame: ClientFrame): Effect.Effect<void, never, Needs> =>
  handle(frame.type, connection, frame)
