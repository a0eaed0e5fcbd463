// A socket without a network, and sessions without a database: what the socket edge needs to be told about both.
// Like Effect's own, the socket holds a write back for ever once its reader is gone, and fails its reader on a close.
import { Clock, Effect, Layer, Option, Queue, Ref } from "effect"
import { Socket } from "effect/socket"
import * as IceServersHmac from "../../src/crypto/IceServersHmac.ts"
import type { AppId, SessionId, TenantId, UserId } from "../../src/domain/Ids.ts"
import type { SessionPrincipal } from "../../src/domain/Principal.ts"
import type { SessionRecord } from "../../src/domain/Session.ts"
import { StoreUnavailable } from "../../src/domain/Unavailable.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { ChannelRepository } from "../../src/services/ChannelRepository.ts"
import { RoomBus } from "../../src/services/RoomBus.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import { Rooms } from "../../src/ws/Rooms.ts"

/** What frames of voice rooms need, for sockets that send none. */
export const noRooms = Layer.mergeAll(
  Layer.mock(Rooms, {}),
  Layer.mock(ChannelRepository, {}),
  Layer.mock(AuditLog, {}),
  RoomBus.layerMemory
)

export interface FakeSocket {
  readonly socket: Socket.Socket
  /** What the client sends. Frames offered at once arrive as one batch. */
  readonly receive: (...frames: ReadonlyArray<string | Uint8Array>) => Effect.Effect<void>
  /** The client goes away. */
  readonly hangUp: Effect.Effect<void>
  /** The next frame, parsed, or the close, that the server sent. */
  readonly next: Effect.Effect<unknown>
  /** Everything sent and not taken yet. */
  readonly rest: Effect.Effect<ReadonlyArray<unknown>>
}

const shown = (chunk: string | Uint8Array | Socket.CloseEvent): unknown => {
  if (typeof chunk === "string") return JSON.parse(chunk)
  return chunk instanceof Uint8Array ? chunk : { code: chunk.code, reason: chunk.reason }
}

/** `onWrite` may make a write die; a client may leave a close unanswered. */
export const fakeSocket = ({ answersClose = true, onWrite = () => Effect.void }: {
  readonly answersClose?: boolean
  readonly onWrite?: (chunk: unknown) => Effect.Effect<void>
} = {}) =>
  Effect.gen(function* () {
    const inbound = yield* Queue.unbounded<string | Uint8Array, Socket.SocketError>()
    const outbound = yield* Queue.unbounded<unknown>()
    let connected = false
    const closed = (code: number) =>
      Queue.fail(inbound, new Socket.SocketError({ reason: new Socket.SocketCloseError({ code }) }))
    const write = (chunk: string | Uint8Array | Socket.CloseEvent) =>
      Effect.suspend(() => {
        if (!connected) return Effect.never
        Queue.offerUnsafe(outbound, shown(chunk))
        return Effect.andThen(
          onWrite(shown(chunk)),
          answersClose && Socket.isCloseEvent(chunk) ? closed(chunk.code) : Effect.void
        )
      })
    return {
      socket: Socket.make({
        reader: Effect.acquireRelease(
          Effect.sync(() => {
            connected = true
            return { pull: Queue.takeAll(inbound), upgrade: Socket.SocketUpgradeError.unsupported }
          }),
          () =>
            Effect.sync(() => {
              connected = false
            })
        ),
        writer: Effect.succeed({ write, writeAll: (chunks) => Effect.forEach(chunks, write, { discard: true }) })
      }),
      receive: (...frames) => Effect.asVoid(Queue.offerAll(inbound, frames)),
      hangUp: Effect.asVoid(closed(1001)),
      next: Queue.take(outbound),
      rest: Queue.clear(outbound)
    } satisfies FakeSocket
  })

/** For sockets of which nobody asks how their calls connect. */
export const noIceServers = IceServersHmac.layer({ iceServers: [], turn: Option.none() })

export const sessionId = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, "0")}` as SessionId

const appId = `vc_app_${"0".repeat(32)}` as AppId

const user = { id: 7 as UserId, username: "ann", customId: "a-1", pictureUrl: null, metadata: { team: "red" } }

export const principal = (id: SessionId, expiresIn = 3600): SessionPrincipal => ({
  sessionId: id,
  tenantId: 1 as TenantId,
  appId,
  user,
  expiresIn,
  issuedAgo: 0,
  allowedOrigins: [],
  queryTokens: true
})

export const record = (id: SessionId, left = 3600, overrides: Partial<SessionRecord> = {}): SessionRecord => {
  const none = new Uint8Array()
  return {
    id,
    tenantId: 1 as TenantId,
    appId,
    tenantSuspended: false,
    allowedOrigins: [],
    queryTokens: true,
    user,
    userBanned: false,
    endReason: null,
    sessionLeft: 1e6,
    access: { digest: none, left, previousDigest: null, previousLeft: 0 },
    refresh: { digest: none, left: 1e6, previousDigest: null, sinceRotation: 0, salt: null, used: true },
    ...overrides
  }
}

/** What the sessions' rows say, by a test's own function, and the batches in which they were asked for. */
export const makeSessions = Effect.gen(function* () {
  const rows = yield* Ref.make<(id: SessionId, now: number) => SessionRecord | undefined>((id) => record(id))
  const away = yield* Ref.make<"Here" | "Away" | "Broken">("Here")
  const asked: Array<ReadonlyArray<SessionId>> = []
  const layer = Layer.mock(TokenStore, {
    findAll: (ids) =>
      Effect.gen(function* () {
        asked.push(ids)
        const state = yield* Ref.get(away)
        if (state === "Broken") return yield* Effect.die("a bug")
        if (state === "Away") return yield* new StoreUnavailable({ operation: "findAll", cause: "away" })
        const read = yield* Ref.get(rows)
        const now = yield* Clock.currentTimeMillis
        return ids.map((id) => read(id, now)).filter((row) => row !== undefined)
      })
  })
  return { rows, away, asked, layer }
})
