// One socket's life, from the accepted handshake to its close. Frames are answered in order: at once, or, where that takes
// longer, in a fiber that ends with the answer. A client that sends faster than it is served waits in its own connection.
import { Clock, Context, Effect, type Fiber, LogLevel, References, Result } from "effect"
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
import { dispatch, type Rest } from "./Dispatch.ts"
import { Inbound } from "./Inbound.ts"
import { instantIn } from "./Instant.ts"
import { Registry } from "./Registry.ts"
import { Rooms } from "./Rooms.ts"
import { SocketPolicy } from "./SocketPolicy.ts"
import type { Wire, WireListener } from "./Wire.ts"

/** Who opened a socket, as the records of what it does show it. */
export interface Opener {
  readonly caller: Caller
  readonly requestId: string
}

/**
 * Says how a socket is served that a handshake may open for `principal`: registered, told `ready`, and read from then on,
 * all in the turn in which its wire is given.
 */
export const socketOpener = Effect.gen(function* () {
  const context = yield* Effect.context<Needs>()
  const registry = yield* Registry
  const ice = yield* IceServers
  const service: Service = {
    context,
    registry,
    rooms: yield* Rooms,
    policy: yield* SocketPolicy,
    clock: yield* Clock.Clock,
    debugs: yield* LogLevel.isEnabled("Debug")
  }
  return (principal: SessionPrincipal, opener: Opener) => {
    const iceServers = ice.forUser(principal.user.id).servers.map(toIceServer)
    const expiresAt = instantIn(service.clock, principal.expiresIn)
    return (wire: Wire): void => {
      const connection = registry.add(principal, wire)
      wire.listen(new Served(service, connection, wire, opener))
      connection.send({
        type: "ready",
        payload: {
          connection_id: connection.id,
          user: toUser(principal.user),
          session_id: principal.sessionId,
          expires_at: expiresAt,
          ice_servers: iceServers
        }
      })
    }
  }
})

type Needs = Effect.Services<NonNullable<Rest>>

/** What all sockets have in common. */
interface Service {
  readonly context: Context.Context<Needs>
  readonly registry: Registry["Service"]
  readonly rooms: Rooms["Service"]
  readonly policy: SocketPolicy
  readonly clock: Clock.Clock
  /** Whether anybody reads what is logged for debugging. */
  readonly debugs: boolean
}

/** Characters of which each counts as a frame. */
const charactersPerFrame = 4096

/** Characters that may wait while a frame is answered, each frame with so many more; then the client is held back. */
const maxWaiting = 64 * 1024
const frameOverhead = 128

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

class Served implements WireListener {
  readonly #service: Service
  readonly #connection: Connection
  readonly #wire: Wire
  readonly #opener: Opener
  readonly #inbound: Inbound
  #badInARow = 0
  /** Answers a frame that takes longer than a turn. */
  #answering: Fiber.Fiber<void> | undefined
  #waiting: Array<string | Uint8Array> | undefined
  #waitingLength = 0

  constructor(service: Service, connection: Connection, wire: Wire, opener: Opener) {
    this.#service = service
    this.#connection = connection
    this.#wire = wire
    this.#opener = opener
    this.#inbound = new Inbound(service.policy, service.clock.currentTimeMillisUnsafe())
  }

  received(data: string | Uint8Array): void {
    if (this.#answering === undefined) return this.#answer(data)
    if (this.#connection.closed) return
    this.#waiting ??= []
    this.#waiting.push(data)
    this.#waitingLength += frameOverhead + data.length
    if (this.#waitingLength >= maxWaiting) this.#wire.hold(true)
  }

  gone(code: number): void {
    const removed = Result.try(() => this.#service.registry.remove(this.#connection))
    if (Result.isFailure(removed)) this.#run(Effect.logError("A socket's end was not heard", removed.failure))
    if (this.#service.debugs) this.#run(Effect.annotateLogs(Effect.logDebug("Socket gone"), { code }))
    // Only now, or what waits would be answered next.
    this.#answering?.interruptUnsafe()
  }

  #answer(data: string | Uint8Array): void {
    if (this.#connection.closed) return
    const handled = Result.try(() => this.#handle(data))
    const rest = Result.isSuccess(handled) ? handled.success : this.#fail(handled.failure)
    if (rest === undefined) return
    const fiber = this.#run(Effect.catchDefect(rest, (defect) => this.#fail(defect)))
    if (fiber.pollUnsafe() !== undefined) return
    this.#answering = fiber
    fiber.addObserver(() => {
      this.#answering = undefined
      this.#goOn()
    })
  }

  #goOn(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = undefined
    this.#waitingLength = 0
    for (const data of waiting) this.received(data)
    if (this.#waitingLength < maxWaiting) this.#wire.hold(false)
  }

  #run(effect: Effect.Effect<void, never, Needs>): Fiber.Fiber<void> {
    const { caller, requestId } = this.#opener
    return Effect.runForkWith(
      this.#service.context.pipe(
        Context.add(Caller, caller),
        Context.add(References.CurrentLogAnnotations, { requestId })
      )
    )(effect)
  }

  /** A bug costs the socket that met it, and nobody else. */
  #fail(defect: unknown): Effect.Effect<void> {
    return Effect.map(Effect.logError("A frame's handler failed", defect), () => this.#connection.close(internalError))
  }

  #handle(data: string | Uint8Array): Rest {
    const connection = this.#connection
    if (!this.#take(1 + Math.floor(data.length / charactersPerFrame))) return this.#refuse(tooManyFrames)
    if (typeof data !== "string") return this.#refuse(badMessages)
    const decoded = decode(data)
    if (decoded._tag === "Frame") {
      this.#badInARow = 0
      const extra = cost(decoded.frame)
      return extra > 0 && !this.#take(extra)
        ? this.#refuse(tooManyFrames)
        : dispatch(this.#service.rooms, connection, decoded.frame)
    }
    connection.send({
      type: "error",
      payload: { code: "invalid_request", detail: decoded.detail },
      ...(decoded.id === undefined ? {} : { id: decoded.id })
    })
    return ++this.#badInARow >= this.#service.policy.maxBadInARow ? this.#refuse(badMessages) : undefined
  }

  #refuse(event: Socket.CloseEvent): undefined {
    this.#connection.close(event)
  }

  #take(frames: number): boolean {
    return this.#inbound.take(this.#service.clock.currentTimeMillisUnsafe(), frames)
  }
}
