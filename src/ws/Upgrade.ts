// One socket's life, from the accepted handshake to its close, in the one fiber that serves the request. Frames are
// answered in order; a client that sends faster than it is served waits in its own connection.
import { Clock, Effect } from "effect"
import type { Socket } from "effect/socket"
import type { ClientFrame } from "../api/Frames.ts"
import { toIceServer } from "../api/IceServers.ts"
import { toUser } from "../api/User.ts"
import type { SessionPrincipal } from "../domain/Principal.ts"
import { Caller } from "../services/Caller.ts"
import { IceServers } from "../services/IceServers.ts"
import { badMessages, internalError, tooManyFrames } from "./CloseCodes.ts"
import type { Connection } from "./Connection.ts"
import { decode } from "./Decode.ts"
import { dispatch } from "./Dispatch.ts"
import { Inbound } from "./Inbound.ts"
import { instantIn } from "./Instant.ts"
import { Registry } from "./Registry.ts"
import { SocketPolicy } from "./SocketPolicy.ts"

/** Serves `socket` for whom the handshake accepted. Lives as long as the socket, and ends without failure. */
export const openSocket = Effect.fnUntraced(
  function* (principal: SessionPrincipal, socket: Socket.Socket) {
    const registry = yield* Registry
    const ice = yield* IceServers
    const { pull } = yield* socket.reader
    const connection = yield* registry.add(principal, yield* socket.writer)
    const { servers } = yield* ice.forUser(principal.user.id)
    yield* connection.send({
      type: "ready",
      payload: {
        connection_id: connection.id,
        user: toUser(principal.user),
        session_id: principal.sessionId,
        expires_at: yield* instantIn(principal.expiresIn),
        ice_servers: servers.map(toIceServer)
      }
    })
    // The time that the handshake had for the store is not what a frame has, hours later.
    const caller = { ...yield* Caller, patience: undefined }
    yield* serve(connection, pull).pipe(
      Effect.provideService(Caller, caller),
      Effect.catchDefect((defect) =>
        Effect.logError("A frame's handler failed", defect).pipe(Effect.andThen(connection.close(internalError)))
      )
    )
  },
  // The client went away, before or after the handshake: the ordinary end of a socket.
  Effect.catchTag("SocketError", (error) =>
    Effect.logDebug("Socket gone").pipe(
      Effect.annotateLogs({
        reason: error.reason._tag,
        ...(error.reason._tag === "SocketCloseError" ? { code: error.reason.code } : {})
      })
    )),
  Effect.scoped
)

/** Characters of which each counts as a frame. */
const charactersPerFrame = 4096

/** How many frames more one counts for that the database is asked for, or that every member of a channel is told. */
const cost = (frame: ClientFrame): number => {
  switch (frame.type) {
    case "join_channel":
      return 9
    case "set_role":
    case "remove_member":
      return 4
    case "mute":
      return frame.payload.connection_id === undefined ? 0 : 4
    default:
      return 0
  }
}

/** Reads until this side closes; fails when the other does. */
const serve = Effect.fnUntraced(function* (connection: Connection, pull: Socket.Reader["pull"]) {
  const policy = yield* SocketPolicy
  const clock = yield* Clock.Clock
  const inbound = new Inbound(policy, clock.currentTimeMillisUnsafe())
  let badInARow = 0
  while (true) {
    for (const data of yield* pull) {
      if (connection.closed) return
      const frames = 1 + Math.floor(data.length / charactersPerFrame)
      if (!inbound.take(clock.currentTimeMillisUnsafe(), frames)) return yield* connection.close(tooManyFrames)
      if (typeof data !== "string") return yield* connection.close(badMessages)
      const decoded = decode(data)
      if (decoded._tag === "Frame") {
        badInARow = 0
        const extra = cost(decoded.frame)
        if (extra > 0 && !inbound.take(clock.currentTimeMillisUnsafe(), extra)) {
          return yield* connection.close(tooManyFrames)
        }
        yield* dispatch(connection, decoded.frame)
        continue
      }
      yield* connection.send({
        type: "error",
        payload: { code: "invalid_request", detail: decoded.detail },
        ...(decoded.id === undefined ? {} : { id: decoded.id })
      })
      badInARow++
      if (badInARow >= policy.maxBadInARow) return yield* connection.close(badMessages)
    }
  }
})
