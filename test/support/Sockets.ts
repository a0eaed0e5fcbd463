// A socket without a network, and sessions without a database: what the socket edge needs to be told about both.
import { Clock, Deferred, Effect, Exit, Layer, Option, Queue, Ref, Result } from "effect"
import * as IceServersHmac from "../../src/crypto/IceServersHmac.ts"
import { NotInChannel } from "../../src/domain/Channel.ts"
import type { AppId, SessionId, TenantId, UserId } from "../../src/domain/Ids.ts"
import type { SessionPrincipal } from "../../src/domain/Principal.ts"
import type { SessionRecord } from "../../src/domain/Session.ts"
import { StoreUnavailable } from "../../src/domain/Unavailable.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { ChannelRepository } from "../../src/services/ChannelRepository.ts"
import { RoomBus } from "../../src/services/RoomBus.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import { Rooms } from "../../src/ws/Rooms.ts"
import { socketOpener } from "../../src/ws/Upgrade.ts"
import type { Wire, WireListener } from "../../src/ws/Wire.ts"

const nobody = () => Result.fail(new NotInChannel())

/** Rooms that nobody is in; who wants to come in meets `join`. */
export const emptyRooms = (overrides: Partial<Pick<Rooms["Service"], "join">> = {}) =>
  Layer.mock(Rooms, { leave: nobody, mute: nobody, speak: nobody, relay: nobody, ...overrides })

/** What frames of voice rooms need, for sockets that send none. */
export const noRooms = Layer.mergeAll(
  emptyRooms(),
  Layer.mock(ChannelRepository, {}),
  Layer.mock(AuditLog, { countSocket: () => {} }),
  RoomBus.layerMemory
)

export interface FakeSocket {
  readonly wire: Wire
  /** What the client sends, as long as it is there. */
  readonly receive: (...frames: ReadonlyArray<string | Uint8Array>) => Effect.Effect<void>
  /** The client goes away. */
  readonly hangUp: Effect.Effect<void>
  /** Until it has gone away. */
  readonly gone: Effect.Effect<void>
  /** Whether the client is held back. */
  readonly isHeld: () => boolean
  /** The next frame, parsed, or the close, that the server sent. */
  readonly next: Effect.Effect<unknown>
  /** Everything sent and not taken yet. */
  readonly rest: Effect.Effect<ReadonlyArray<unknown>>
}

/** `onWrite` may throw; a client may leave a close unanswered. */
export const fakeSocket = ({ answersClose = true, onWrite = () => undefined }: {
  readonly answersClose?: boolean
  readonly onWrite?: (chunk: unknown) => void
} = {}) =>
  Effect.gen(function* () {
    const outbound = yield* Queue.unbounded<unknown>()
    const gone = yield* Deferred.make<void>()
    let listener: WireListener | undefined
    let [held, here] = [false, true]
    const write = (chunk: unknown) => {
      Queue.offerUnsafe(outbound, chunk)
      onWrite(chunk)
    }
    const end = (code: number) => {
      if (!here) return
      here = false
      listener?.gone(code)
      Deferred.doneUnsafe(gone, Exit.void)
    }
    return {
      wire: {
        listen: (heard) => {
          listener = heard
        },
        send: (text) => write(JSON.parse(text)),
        end: ({ code, reason }) => {
          write({ code, reason })
          // The answer of a client comes in a later turn.
          if (answersClose) queueMicrotask(() => end(code))
        },
        hold: (value) => {
          held = value
        }
      },
      receive: (...frames) =>
        Effect.sync(() => {
          for (const frame of frames) if (here) listener?.received(frame)
        }),
      hangUp: Effect.sync(() => end(1001)),
      gone: Deferred.await(gone),
      isHeld: () => held,
      next: Queue.take(outbound),
      rest: Queue.clear(outbound)
    } satisfies FakeSocket
  })

/** Opens `wire` for whom a handshake let in. */
export const openSocket = Effect.fnUntraced(function* (whom: SessionPrincipal, wire: Wire) {
  const opener = yield* socketOpener
  const caller = { address: "192.0.2.1", userAgent: "test", patience: undefined }
  opener(whom, { caller, requestId: "test" })(wire)
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
