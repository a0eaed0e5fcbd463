// The open sockets of this instance. A socket lives exactly as long as its session: what ends a session closes it within
// a second, and nothing else does. What is not known (the database is away) closes nothing.
import { Array, Clock, Context, Duration, Effect, Latch, Layer, PubSub, Schedule } from "effect"
import type { Socket } from "effect/socket"
import type { Event } from "../domain/Event.ts"
import type { SessionId, UserId } from "../domain/Ids.ts"
import type { SessionPrincipal } from "../domain/Principal.ts"
import type { SessionRecord } from "../domain/Session.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"
import { reading, sockets } from "../Metrics.ts"
import { EventBus } from "../services/EventBus.ts"
import { TokenStore } from "../services/TokenStore.ts"
import {
  closeCounter,
  restarting,
  sessionExpired,
  sessionRevoked,
  tenantSuspended,
  tooManySockets,
  userBanned
} from "./CloseCodes.ts"
import { Connection } from "./Connection.ts"
import { instantIn } from "./Instant.ts"
import { SocketPolicy } from "./SocketPolicy.ts"
import type { Wire } from "./Wire.ts"

/** Sessions read in one statement. */
const batchSize = 500

/** For how many seconds it is remembered what ended: longer than a handshake may take. */
const remembered = 10

/** Between two groups of closes while draining. */
const drainStep = Duration.millis(100)

/** A socket and when its session is to be looked at again, in seconds of the monotonic clock. */
interface Tracked {
  readonly connection: Connection
  dueAt: number
  /** The end of the session token as last read. */
  endsAt: number
  /** Whether the client was told of that end. */
  told: boolean
}

export class Registry extends Context.Service<Registry, {
  /** Adds a socket, at once. While draining, or for a user who has too many, it is added closed. */
  readonly add: (principal: SessionPrincipal, wire: Wire) => Connection
  /** For a socket that is gone. */
  readonly remove: (connection: Connection) => void
  /**
   * Refuses new sockets, closes the open ones a few at a time and waits for them to go, no longer than a client may
   * take to answer a close. Done once, however often it is called.
   */
  readonly drain: Effect.Effect<void>
  /** Whether the user has as many sockets open here as one may. */
  readonly isFull: (userId: UserId) => boolean
}>()("roomkey/ws/Registry") {
  static readonly layer = Layer.effect(
    Registry,
    Effect.gen(function* () {
      const store = yield* TokenStore
      const bus = yield* EventBus
      const clock = yield* Clock.Clock
      const policy = yield* SocketPolicy
      const tellBefore = Duration.toSeconds(policy.tokenExpiringBefore)
      const sessions = new Map<SessionId, Set<Tracked>>()
      const perUser = new Map<UserId, number>()
      const empty = Latch.makeUnsafe(true)
      let count = 0
      let draining = false

      const seconds = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e9

      /** Sessions that ended of late, and when that was heard; and when it was heard last that events were missed. */
      const ended = new Map<SessionId, number>()
      let missedAt = -Infinity

      const forgetEnded = (now: number): void => {
        for (const [sessionId, at] of ended) {
          if (now - at < remembered) return
          ended.delete(sessionId)
        }
      }

      /** What ended while the handshake was under way was heard by nobody on its behalf: its session is due at once. */
      const track = (connection: Connection): Tracked => {
        const { expiresIn, sessionId } = connection.principal
        const now = seconds()
        const known = expiresIn > tellBefore && !ended.has(sessionId) && now - missedAt > remembered
        const endsAt = known ? now + expiresIn : -Infinity
        return { connection, dueAt: known ? endsAt - tellBefore : -Infinity, endsAt, told: false }
      }

      const isFull = (userId: UserId) => (perUser.get(userId) ?? 0) >= policy.maxPerUser

      yield* reading(sockets, () => count)
      const countClose = yield* closeCounter

      const counted = (userId: UserId, change: number): void => {
        count += change
        const ofUser = (perUser.get(userId) ?? 0) + change
        if (ofUser === 0) perUser.delete(userId)
        else perUser.set(userId, ofUser)
        if (count === 0) empty.openUnsafe()
        else empty.closeUnsafe()
      }

      const add = (principal: SessionPrincipal, wire: Wire): Connection => {
        // @effect-diagnostics-next-line cryptoRandomUUID:off -- drawn from a pool, where `SecureRandom` asks the system each time
        const connection = new Connection(crypto.randomUUID(), principal, wire, countClose)
        const { sessionId, user } = principal
        const full = isFull(user.id)
        const tracked = track(connection)
        const ofSession = sessions.get(sessionId)
        if (ofSession === undefined) sessions.set(sessionId, new Set([tracked]))
        else ofSession.add(tracked)
        counted(user.id, 1)
        if (draining) connection.close(restarting)
        else if (full) connection.close(tooManySockets)
        return connection
      }

      const remove = (connection: Connection): void => {
        const { sessionId, user } = connection.principal
        const ofSession = sessions.get(sessionId)
        for (const tracked of ofSession ?? []) {
          if (tracked.connection === connection) ofSession?.delete(tracked)
        }
        if (ofSession?.size === 0) sessions.delete(sessionId)
        counted(user.id, -1)
        connection.gone()
      }

      const closeSession = (sessionId: SessionId, event: Socket.CloseEvent): void => {
        for (const { connection } of sessions.get(sessionId) ?? []) connection.close(event)
      }

      /** Before many are closed one by one, each of whose departure would be told to all that are still to be. */
      const leaving = (sessionIds: ReadonlyArray<SessionId>): void => {
        for (const id of sessionIds) {
          for (const { connection } of sessions.get(id) ?? []) connection.leaving = true
        }
      }

      /** What a session's row, read just now, means for its sockets. */
      const applyRecord = (sessionId: SessionId, record: SessionRecord | undefined): void => {
        const over = record === undefined ? sessionRevoked : endOf(record)
        if (over !== undefined) return closeSession(sessionId, over)
        const left = leftOf(record!)
        const now = seconds()
        for (const tracked of sessions.get(sessionId) ?? []) {
          const endsAt = now + left
          // Readings of one and the same end differ by a round trip; a refresh moves it by more.
          if (endsAt > tracked.endsAt + 1) tracked.told = false
          tracked.endsAt = endsAt
          tracked.dueAt = left > tellBefore ? endsAt - tellBefore : endsAt
          if (left > tellBefore || tracked.told) continue
          tracked.told = true
          tracked.connection.send({
            type: "token_expiring",
            payload: { expires_at: instantIn(clock, left), expires_in: Math.max(0, Math.floor(left)) }
          })
        }
      }

      const readAgain = Effect.fnUntraced(function* (
        sessionIds: ReadonlyArray<SessionId>
      ): Effect.fn.Return<void, StoreUnavailable> {
        const records = new Map((yield* store.findAll(sessionIds)).map((record) => [record.id, record]))
        leaving(sessionIds.filter((id) => isOver(records.get(id))))
        yield* Effect.forEach(sessionIds, (id) => Effect.sync(() => applyRecord(id, records.get(id))), {
          discard: true
        })
      })

      const sweep = Effect.suspend(() => {
        const now = seconds()
        forgetEnded(now)
        const due: Array<SessionId> = []
        for (const [sessionId, ofSession] of sessions) {
          for (const { connection, dueAt } of ofSession) {
            if (dueAt > now || connection.closed) continue
            due.push(sessionId)
            break
          }
        }
        return Effect.forEach(Array.chunksOf(due, batchSize), readAgain, { discard: true })
      }).pipe(
        // Whoever was due still is at the next sweep.
        Effect.catchTag("StoreUnavailable", (error) =>
          Effect.logDebug("Sessions of open sockets not read").pipe(
            Effect.annotateLogs({ operation: error.operation })
          )),
        survive
      )

      const onEvent = (event: Event): Effect.Effect<void> => {
        switch (event._tag) {
          case "SessionsEnded": {
            const now = seconds()
            for (const id of event.sessionIds) {
              ended.delete(id)
              ended.set(id, now)
            }
            leaving(event.sessionIds)
            const close = event.reason === "user_banned" ? userBanned : sessionRevoked
            return Effect.forEach(event.sessionIds, (id) => Effect.sync(() => closeSession(id, close)), {
              discard: true
            })
          }
          // A socket knows its user and tenant as they were when it was opened.
          case "UserChanged":
          case "TenantChanged":
            return Effect.void
          case "Gap":
            return Effect.sync(() => {
              missedAt = seconds()
              for (const ofSession of sessions.values()) {
                for (const tracked of ofSession) tracked.dueAt = -Infinity
              }
            })
        }
      }

      const drain = yield* Effect.gen(function* () {
        draining = true
        const open = Array.fromIterable(sessions.values()).flatMap((ofSession) => [...ofSession])
        const steps = Math.ceil(Duration.toMillis(policy.drainOver) / Duration.toMillis(drainStep)) + 1
        const perStep = Math.max(1, Math.ceil(open.length / steps))
        for (let next = 0; next < open.length; next += perStep) {
          if (next > 0) yield* Effect.sleep(drainStep)
          for (const { connection } of open.slice(next, next + perStep)) connection.close(restarting)
        }
        yield* Effect.timeoutOption(empty.await, policy.closeTimeout)
      }).pipe(Effect.asVoid, Effect.cached)

      const events = yield* bus.subscribe
      yield* PubSub.take(events).pipe(
        Effect.flatMap(onEvent),
        survive,
        Effect.forever,
        Effect.forkScoped
      )
      yield* sweep.pipe(Effect.repeat(Schedule.spaced(policy.sweepEvery)), Effect.forkScoped)
      yield* Effect.addFinalizer(() => drain)

      return Registry.of({ add, drain, isFull, remove })
    })
  )
}

/** The loops outlive whatever happens in one turn: without them no revocation would reach a socket. */
const survive = <A, E>(turn: Effect.Effect<A, E>): Effect.Effect<void> =>
  Effect.catchCause(Effect.asVoid(turn), (cause) => Effect.logError("A turn of the socket registry failed", cause))

const isOver = (record: SessionRecord | undefined): boolean => record === undefined || endOf(record) !== undefined

const leftOf = (record: SessionRecord): number => Math.min(record.access.left, record.sessionLeft)

/** The close that a session's row calls for, if any. */
const endOf = (record: SessionRecord): Socket.CloseEvent | undefined => {
  if (record.userBanned || record.endReason === "user_banned") return userBanned
  if (record.endReason !== null) return sessionRevoked
  if (record.tenantSuspended) return tenantSuspended
  return leftOf(record) <= 0 ? sessionExpired : undefined
}
