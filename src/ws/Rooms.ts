// The voice rooms of this instance. A member is changed only here, on the instance that it is connected to, and told at
// once to everybody who is connected here too; the others learn of it from its row. Rows are the truth about the members
// of other instances: notices only say which to read, and one fiber reads them, so that no old row follows a newer one.
import { Array, Cause, Context, Deferred, Effect, Exit, Latch, Layer, Option, PubSub, Result, type Scope } from "effect"
import type { FrameId, IceCandidate, WebrtcAnswer, WebrtcOffer } from "../api/Frames.ts"
import { toMember } from "../api/Member.ts"
import {
  ChannelFull,
  type ChannelNotFound,
  isMuted,
  type Member,
  MemberNotFound,
  NotAllowed,
  NotInChannel,
  type RemovedFromChannel,
  type Seat
} from "../domain/Channel.ts"
import type { ChannelId, UserId } from "../domain/Ids.ts"
import type { Role } from "../domain/Role.ts"
import type { Relay, RoomNotice } from "../domain/RoomNotice.ts"
import { isDescription, sendsMedia } from "../domain/Sdp.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"
import { joinChannel } from "../flows/channels/JoinChannel.ts"
import { reviewMembers } from "../flows/channels/ReviewMembers.ts"
import { channelMembers, reading, relaysDropped } from "../Metrics.ts"
import { ChannelRepository } from "../services/ChannelRepository.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { PresenceStore, type RemoteMember } from "../services/PresenceStore.ts"
import { type Heard, RoomBus } from "../services/RoomBus.ts"
import type { Connection } from "./Connection.ts"
import { type Batch, Outbox } from "./Outbox.ts"
import { type Entry, type Local, presenceFrame, Room, seated } from "./Room.ts"
import { SocketPolicy } from "./SocketPolicy.ts"

/** Three may be missed before the others take this instance's members for gone. */
const beatEvery = "2 seconds"
const retryAfter = "250 millis"
/** How long what members change about themselves is gathered for one statement, once some was written. */
const gatherWrites = "100 millis"
/** After notices were missed, who has no row is given this long: its instance may just be writing it again. */
const grace = "6 seconds"
/** How long one who comes in waits for what was decided meanwhile. */
const patience = "2 seconds"
/** Relays that wait until the row of who sent them was read. */
const maxEarlyRelays = 1000

type Signal = typeof WebrtcOffer.Type | typeof WebrtcAnswer.Type | typeof IceCandidate.Type

/** A connection's place: where it is, and what it looks like there. */
interface Place {
  readonly room: Room
  readonly entry: Entry & { readonly local: Local }
}

/** Whom a decision concerns, and who waits until it is in effect. */
interface Review {
  whom: Set<UserId> | "Everybody"
  readonly waiting: Array<Effect.Effect<unknown>>
}

export interface Present {
  readonly channelId: ChannelId
  readonly self: Member
}

export class Rooms extends Context.Service<Rooms, {
  /** Enters a channel, out of the one before, and answers `channel_users`. In the same one it may change its role. */
  readonly join: (
    connection: Connection,
    channelId: ChannelId,
    requested: Role | undefined,
    id: FrameId | undefined
  ) => Effect.Effect<void, ChannelNotFound | ChannelFull | RemovedFromChannel | StoreUnavailable>
  readonly leave: (connection: Connection) => Result.Result<void, NotInChannel>
  /** Mutes or unmutes oneself. */
  readonly mute: (connection: Connection, muted: boolean) => Result.Result<void, NotInChannel | NotAllowed>
  readonly speak: (connection: Connection, speaking: boolean) => Result.Result<void, NotInChannel | NotAllowed>
  /** Passes a signal on to a member of the same channel, wherever it is connected. */
  readonly relay: (
    connection: Connection,
    signal: Signal
  ) => Result.Result<void, NotInChannel | MemberNotFound | NotAllowed>
  readonly present: (connection: Connection) => Effect.Effect<Present, NotInChannel>
  /** Another member of the channel that the connection is in, or itself. */
  readonly find: (
    connection: Connection,
    connectionId: string
  ) => Effect.Effect<Member, NotInChannel | MemberNotFound>
}>()("roomkey/ws/Rooms") {
  static readonly layer = Layer.effect(
    Rooms,
    Effect.gen(function* () {
      const store = yield* PresenceStore
      const channels = yield* ChannelRepository
      const bus = yield* RoomBus
      const lifecycle = yield* Lifecycle
      const policy = yield* SocketPolicy
      const context = yield* Effect.context<never>()

      const rooms = new Map<ChannelId, Room>()
      const places = new Map<Connection, Place>()

      // What is to be written.
      const outbox = new Outbox()
      const unwritten = yield* Latch.make()
      const unhurried = yield* Latch.make()

      // What is to be read.
      const unreadMembers = new Map<string, Set<ChannelId>>()
      const unreadRooms = new Map<Room, { readonly removesMissing: boolean }>()
      const unreviewed = new Map<Room, Review>()
      const loads = new Map<Room, Deferred.Deferred<void, StoreUnavailable>>()
      let earlyRelays: Array<Relay> = []
      const unread = yield* Latch.make()
      const toReview = yield* Latch.make()
      const scope = yield* Effect.scope

      // What was told a moment ago.
      const held = new Map<Entry, Room>()
      const holding = yield* Latch.make()

      const roomOf = (channelId: ChannelId): Room => {
        const found = rooms.get(channelId)
        if (found !== undefined) return found
        const room = new Room(channelId)
        rooms.set(channelId, room)
        return room
      }

      const closeIfEmpty = (room: Room): void => {
        if (room.locals.size > 0 || room.expected > 0) return
        if (rooms.get(room.channelId) === room) rooms.delete(room.channelId)
        unreadRooms.delete(room)
        loads.delete(room)
      }

      const write = (room: Room, connectionId: string, when: "Now" | "Soon" = "Now"): void => {
        outbox.changed(connectionId, room.channelId, room.members.get(connectionId)?.member)
        if (when === "Now") unwritten.openUnsafe()
        else unhurried.openUnsafe()
      }

      const dropped = (count: number): void => {
        if (count > 0) relaysDropped.updateUnsafe(count, context)
      }

      yield* reading(channelMembers, () => places.size)

      const placeOf = (connection: Connection): Effect.Effect<Place, NotInChannel> => {
        const place = places.get(connection)
        return place === undefined ? Effect.fail(new NotInChannel()) : Effect.succeed(place)
      }

      /** The more there are to be told of it, the longer the changes of one member are gathered. */
      const hold = (room: Room, entry: Entry): void => {
        entry.held = 1 + Math.floor(room.members.size / 100)
        held.set(entry, room)
        holding.openUnsafe()
      }

      /** Tells a change at once, unless one of the same member was told a moment ago. */
      const tellUpdate = (room: Room, entry: Entry): void => {
        if (entry.held > 0 || !room.hasNews(entry)) return
        hold(room, entry)
        room.tellUpdate(entry)
      }

      const update = ({ entry, room }: Place, member: Member, by: "Itself" | "Others"): void => {
        entry.member = member
        write(room, member.connectionId, by === "Itself" ? "Soon" : "Now")
        if (by === "Others" && room.hasNews(entry)) entry.tellsItself = true
        tellUpdate(room, entry)
      }

      /** From its place, and from everybody's list: unless all of them are on their way out. */
      const depart = (place: Place, alone = true): void => {
        const { entry, room } = place
        const { connection } = entry.local
        const { connectionId } = entry.member
        if (places.get(connection) !== place) return
        places.delete(connection)
        connection.whenClosed = undefined
        room.delete(connectionId)
        write(room, connectionId)
        closeIfEmpty(room)
        if (alone && !lifecycle.draining()) room.tell(presenceFrame("user_left", entry.member))
      }

      const usersFrame = (room: Room, id: FrameId | undefined): string =>
        JSON.stringify({
          type: "channel_users",
          payload: {
            channel_id: room.channelId,
            users: Array.fromIterable(room.members.values()).map(({ member }) => toMember(member))
          },
          ...(id === undefined ? {} : { id })
        })

      const reseat = (place: Place, seat: Seat, by: "Itself" | "Others"): void => {
        const { local, member } = place.entry
        if (member.role === seat.role && member.mutedBy === seat.mutedBy && local.maySpeak === seat.maySpeak) return
        local.maySpeak = seat.maySpeak
        update(place, seated(member, seat), by)
      }

      const enter = (
        room: Room,
        connection: Connection,
        requested: Role | undefined,
        seat: Seat,
        id: FrameId | undefined
      ): Effect.Effect<void, ChannelFull> =>
        Effect.suspend(() => {
          if (connection.closed) return Effect.void
          const before = places.get(connection)
          if (before?.room === room) {
            before.entry.local.requested = requested
            reseat(before, seat, "Itself")
            connection.tell(usersFrame(room, id))
            return Effect.void
          }
          if (room.members.size >= policy.maxMembers) return Effect.fail(new ChannelFull({ channelId: room.channelId }))
          if (before !== undefined) depart(before)
          const { user } = connection.principal
          const member: Member = {
            connectionId: connection.id,
            channelId: room.channelId,
            user,
            role: seat.role,
            mutedByItself: false,
            mutedBy: seat.mutedBy,
            speaking: false
          }
          room.add(member, { connection, requested, maySpeak: seat.maySpeak })
          const place = { room, entry: room.locals.get(connection.id)! }
          places.set(connection, place)
          connection.whenClosed = () => depart(place)
          write(room, connection.id)
          connection.tell(usersFrame(room, id))
          return Effect.void
        })

      /** The members of other instances, read once for all who wait. */
      const load = (room: Room): Effect.Effect<void, StoreUnavailable> =>
        Effect.suspend(() => {
          if (room.loaded) return Effect.void
          const waiting = loads.get(room)
          if (waiting !== undefined) return Deferred.await(waiting)
          const loading = Deferred.makeUnsafe<void, StoreUnavailable>()
          loads.set(room, loading)
          unreadRooms.set(room, { removesMissing: true })
          unread.openUnsafe()
          return Deferred.await(loading)
        })

      const join = Effect.fnUntraced(function* (
        connection: Connection,
        channelId: ChannelId,
        requested: Role | undefined,
        id: FrameId | undefined
      ): Effect.fn.Return<void, ChannelNotFound | ChannelFull | RemovedFromChannel | StoreUnavailable> {
        const { sessionId, tenantId, user } = connection.principal
        const expectIn = Effect.sync(() => {
          const room = roomOf(channelId)
          room.expected++
          return room
        })
        yield* Effect.acquireUseRelease(
          expectIn,
          Effect.fnUntraced(function* (room) {
            const { decisions } = room
            const seat = yield* joinChannel(tenantId, channelId, { userId: user.id, sessionId, requested }).pipe(
              Effect.provideService(ChannelRepository, channels)
            )
            yield* load(room)
            yield* enter(room, connection, requested, seat, id)
            // What was decided while this one came in may concern it.
            if (room.decisions !== decisions) yield* reviewed(room, user.id)
          }),
          (room) =>
            Effect.sync(() => {
              room.expected--
              closeIfEmpty(room)
            })
        )
      })

      const mute: Rooms["Service"]["mute"] = (connection, muted) => {
        const place = places.get(connection)
        if (place === undefined) return Result.fail(new NotInChannel())
        const { local, member } = place.entry
        if (!local.maySpeak) return Result.fail(new NotAllowed({ reason: "may_not_speak" }))
        if (!muted && member.mutedBy !== null) {
          return Result.fail(
            new NotAllowed({ reason: member.mutedBy === "host" ? "muted_by_host" : "muted_by_tenant" })
          )
        }
        if (member.mutedByItself !== muted) {
          update(place, { ...member, mutedByItself: muted, speaking: member.speaking && !muted }, "Itself")
        }
        return Result.void
      }

      const speak: Rooms["Service"]["speak"] = (connection, speaking) => {
        const place = places.get(connection)
        if (place === undefined) return Result.fail(new NotInChannel())
        const { local, member } = place.entry
        if (!local.maySpeak) return Result.fail(new NotAllowed({ reason: "may_not_speak" }))
        if (speaking && isMuted(member)) return Result.fail(new NotAllowed({ reason: "muted" }))
        if (member.speaking !== speaking) update(place, { ...member, speaking }, "Itself")
        return Result.void
      }

      const memberIn = ({ room }: Place, connectionId: string): Effect.Effect<Entry, MemberNotFound> => {
        const entry = room.members.get(connectionId)
        return entry === undefined ? Effect.fail(new MemberNotFound()) : Effect.succeed(entry)
      }

      const relay: Rooms["Service"]["relay"] = (connection, { payload, type }) => {
        const place = places.get(connection)
        if (place === undefined) return Result.fail(new NotInChannel())
        const target = place.room.members.get(payload.to)
        if (target === undefined) return Result.fail(new MemberNotFound())
        if ("sdp" in payload && !place.entry.local.maySpeak) {
          if (!isDescription(payload.sdp) || sendsMedia(payload.sdp)) {
            return Result.fail(new NotAllowed({ reason: "sends_media" }))
          }
        }
        const text = JSON.stringify({ type, payload: { ...payload, from: connection.id } })
        if (target.local !== undefined) {
          target.local.connection.tell(text)
          return Result.void
        }
        const { channelId } = place.room
        dropped(outbox.relay({ nodeId: target.nodeId!, channelId, from: connection.id, to: payload.to, text }))
        unwritten.openUnsafe()
        return Result.void
      }

      /** From another instance. Only who is known as a member of the same channel is heard. */
      const deliver = ({ channelId, from, text, to }: Relay): void => {
        const room = rooms.get(channelId)
        const target = room?.locals.get(to)
        if (target !== undefined && room?.members.get(from)?.nodeId !== undefined) target.local.connection.tell(text)
      }

      const review = (room: Room, userId: UserId | null, ...waiting: ReadonlyArray<Effect.Effect<unknown>>): void => {
        const review: Review = unreviewed.get(room) ?? { whom: new Set(), waiting: [] }
        unreviewed.set(room, review)
        if (userId === null) review.whom = "Everybody"
        else if (review.whom !== "Everybody") review.whom.add(userId)
        review.waiting.push(...waiting)
        toReview.openUnsafe()
      }

      /** Reviews a user, and waits for it. */
      const reviewed = (room: Room, userId: UserId): Effect.Effect<void> =>
        Effect.suspend(() => {
          const done = Deferred.makeUnsafe<void>()
          review(room, userId, Deferred.succeed(done, undefined))
          return Effect.asVoid(Effect.timeoutOption(Deferred.await(done), patience))
        })

      const reload = (removesMissing: boolean): void => {
        for (const room of rooms.values()) {
          if (room.loaded && !unreadRooms.get(room)?.removesMissing) unreadRooms.set(room, { removesMissing })
        }
        unread.openUnsafe()
      }

      const hear = ({ done, notice }: Heard): Effect.Effect<void> => {
        if (notice._tag !== "DecisionsChanged") return Effect.andThen(learn(notice), done)
        const room = rooms.get(notice.channelId)
        if (room === undefined) return done
        room.decisions++
        return Effect.sync(() => review(room, notice.userId, done))
      }

      const learn = (notice: Exclude<RoomNotice, { readonly _tag: "DecisionsChanged" }>): Effect.Effect<void> => {
        switch (notice._tag) {
          case "MembersChanged": {
            if (!rooms.has(notice.channelId)) return Effect.void
            // Another set each time: one that is being read just now is read again.
            for (const id of notice.connectionIds) {
              unreadMembers.set(id, new Set(unreadMembers.get(id)).add(notice.channelId))
            }
            return Effect.asVoid(unread.open)
          }
          case "Relay": {
            if (!unreadMembers.has(notice.from) && earlyRelays.every(({ from }) => from !== notice.from)) {
              return Effect.sync(() => deliver(notice))
            }
            if (earlyRelays.length >= maxEarlyRelays) return Effect.sync(() => dropped(1))
            earlyRelays.push(notice)
            return Effect.void
          }
          case "Gap":
            for (const room of rooms.values()) {
              room.decisions++
              review(room, null)
            }
            reload(false)
            return Effect.asVoid(
              Effect.forkIn(Effect.andThen(Effect.sleep(grace), Effect.sync(() => reload(true))), scope)
            )
        }
      }

      /** What the row of a member says, in a channel that was named with it. */
      const apply = (room: Room, connectionId: string, row: RemoteMember | undefined): void => {
        const entry = room.members.get(connectionId)
        if (entry?.local !== undefined) return
        if (row?.channelId !== room.channelId) return room.remove(connectionId)
        const { nodeId, ...member } = row
        if (entry === undefined) return room.add(member, { nodeId })
        entry.nodeId = nodeId
        entry.member = member
        tellUpdate(room, entry)
      }

      const readMembers = Effect.gen(function* () {
        const ids = new Map(unreadMembers)
        const whole = new Map(unreadRooms)
        if (ids.size === 0 && whole.size === 0) return
        const channelIds = [...whole.keys()].map(({ channelId }) => channelId)
        const rows = new Map(
          (yield* store.readOthers(channelIds, [...ids.keys()])).map((row) => [row.connectionId, row])
        )
        // What was named again while it was read, is read again.
        for (const [id, named] of ids) {
          if (unreadMembers.get(id) === named) unreadMembers.delete(id)
          for (const channelId of named) {
            const room = rooms.get(channelId)
            if (room !== undefined) apply(room, id, rows.get(id))
          }
        }
        const byChannel = Array.groupBy(rows.values(), ({ channelId }) => String(channelId))
        for (const [room, how] of whole) {
          if (unreadRooms.get(room) === how) unreadRooms.delete(room)
          const seen = byChannel[String(room.channelId)] ?? []
          const isHere = (id: string) => rows.get(id)?.channelId === room.channelId
          const missing = how.removesMissing
            ? [...room.members].filter(([id, { local }]) => local === undefined && !isHere(id)).map(([id]) => id)
            : []
          for (const row of seen) apply(room, row.connectionId, row)
          for (const id of missing) room.remove(id)
          room.loaded = true
          finishLoad(room, Exit.void)
        }
      }).pipe(
        Effect.tapCause((cause) =>
          Effect.sync(() => {
            for (const room of Array.fromIterable(loads.keys())) {
              unreadRooms.delete(room)
              finishLoad(room, Exit.failCause(cause))
            }
          })
        )
      )

      const finishLoad = (room: Room, exit: Exit.Exit<void, StoreUnavailable>): void => {
        const loading = loads.get(room)
        loads.delete(room)
        if (loading !== undefined) Deferred.doneUnsafe(loading, exit)
      }

      const passOn = Effect.sync(() => {
        const early = earlyRelays
        earlyRelays = early.filter(({ from }) => unreadMembers.has(from))
        for (const relay of early) if (!unreadMembers.has(relay.from)) deliver(relay)
      })

      const expel = (place: Place, code: "removed_from_channel" | "channel_deleted"): void => {
        const { local: { connection }, member } = place.entry
        connection.tell(presenceFrame("user_left", member))
        connection.send({ type: "error", payload: { code, detail: expulsion[code] } })
        depart(place, code === "removed_from_channel")
      }

      const reviewRoom = Effect.fnUntraced(function* (room: Room, whom: Set<UserId> | "Everybody") {
        const locals = [...room.locals.values()].filter(({ member }) =>
          whom === "Everybody" || whom.has(member.user.id)
        )
        const [first] = locals
        if (first === undefined) return
        const seats = yield* reviewMembers(
          first.local.connection.principal.tenantId,
          room.channelId,
          locals.map(({ local: { connection, requested } }) => ({
            userId: connection.principal.user.id,
            sessionId: connection.principal.sessionId,
            requested
          }))
        ).pipe(
          Effect.provideService(ChannelRepository, channels),
          Effect.catchTag("ChannelNotFound", () => Effect.undefined)
        )
        for (const [index, entry] of locals.entries()) {
          const { connection } = entry.local
          const place = places.get(connection)
          if (place?.entry !== entry) continue
          const seat = seats?.[index]
          if (seat !== undefined && Option.isSome(seat)) reseat(place, seat.value, "Others")
          else yield* Effect.sync(() => expel(place, seats === undefined ? "channel_deleted" : "removed_from_channel"))
        }
      })

      const reviewRooms = Effect.gen(function* () {
        for (const [room, { waiting, whom }] of Array.fromIterable(unreviewed)) {
          unreviewed.delete(room)
          yield* reviewRoom(room, whom).pipe(
            Effect.tapCause(() =>
              Effect.sync(() => {
                for (const userId of whom === "Everybody" ? [null] : whom) review(room, userId, ...waiting.splice(0))
              })
            )
          )
          yield* Effect.all(waiting, { discard: true })
        }
      })

      const read = unread.await.pipe(
        Effect.andThen(unread.close),
        Effect.andThen(readMembers),
        Effect.andThen(passOn),
        Effect.tapCause(() => unread.open),
        Effect.catchTag("StoreUnavailable", () => Effect.sleep(retryAfter))
      )

      const reviewAll = toReview.await.pipe(
        Effect.andThen(toReview.close),
        Effect.andThen(reviewRooms),
        Effect.tapCause(() => toReview.open),
        Effect.catchTag("StoreUnavailable", () => Effect.sleep(retryAfter))
      )

      /** After the lease was lost, or at the start: every member is written again. */
      const beat = Effect.map(store.beat, (isNew) => {
        if (isNew) { for (const { entry, room } of places.values()) write(room, entry.member.connectionId) }
      })

      const writeOut = unwritten.await.pipe(
        Effect.andThen(unwritten.close),
        Effect.andThen(Effect.suspend(() => {
          const batch = outbox.take()
          // A relay that the store takes for a bug must not hold up the members.
          const again = (relays: Batch["relays"]) =>
            Effect.sync(() => {
              unwritten.openUnsafe()
              const late = outbox.giveBack({ changes: batch.changes, relays })
              dropped(late + batch.relays.length - relays.length)
            })
          return store.write(batch.changes, batch.relays).pipe(
            Effect.tapCause((cause) => again(Cause.hasDies(cause) ? [] : batch.relays)),
            Effect.flatMap((written) => written ? Effect.void : Effect.andThen(again(batch.relays), beat)),
            Effect.andThen(Effect.sync(() => {
              if (!outbox.isEmpty) unwritten.openUnsafe()
            }))
          )
        })),
        Effect.catchTag("StoreUnavailable", () => Effect.sleep(retryAfter))
      )

      const gather = unhurried.await.pipe(
        Effect.andThen(unhurried.close),
        Effect.andThen(unwritten.open),
        Effect.andThen(Effect.sleep(gatherWrites))
      )

      /** What changed since it was told, of those who changed a moment ago; who did not is free to be told at once. */
      const tellHeld = holding.await.pipe(
        Effect.andThen(holding.close),
        Effect.andThen(Effect.sleep(policy.gatherUpdates)),
        Effect.andThen(Effect.sync(() => {
          for (const [entry, room] of held) {
            entry.held--
            if (room.members.get(entry.member.connectionId) === entry) {
              if (entry.held > 0) {
                holding.openUnsafe()
                continue
              }
              if (room.hasNews(entry)) {
                hold(room, entry)
                room.tellUpdate(entry)
                continue
              }
            }
            held.delete(entry)
          }
        }))
      )

      // Once the loops below have ended, which would write again.
      yield* Effect.addFinalizer(() => store.leave.pipe(Effect.timeout("1 second"), Effect.ignore))
      const notices = yield* bus.subscribe
      yield* PubSub.take(notices).pipe(Effect.flatMap(hear), forever)
      yield* forever(read)
      yield* forever(reviewAll)
      yield* forever(writeOut)
      yield* forever(gather)
      yield* forever(tellHeld)
      yield* beat.pipe(
        Effect.catchTag("StoreUnavailable", () => Effect.void),
        Effect.andThen(Effect.sleep(beatEvery)),
        forever
      )
      return Rooms.of({
        join,
        leave: (connection) => {
          const place = places.get(connection)
          if (place === undefined) return Result.fail(new NotInChannel())
          depart(place)
          return Result.void
        },
        mute,
        speak,
        relay,
        present: (connection) =>
          Effect.map(placeOf(connection), ({ entry, room }) => ({ channelId: room.channelId, self: entry.member })),
        find: (connection, connectionId) =>
          placeOf(connection).pipe(
            Effect.flatMap((place) => memberIn(place, connectionId)),
            Effect.map(({ member }) => member)
          )
      })
    })
  )
}

const expulsion = {
  removed_from_channel: "You were removed from the channel",
  channel_deleted: "The channel was deleted"
}

/** A turn that fails by a bug is told, and the next one comes: without these loops instances would lose each other. */
const forever = <E, R>(turn: Effect.Effect<unknown, E, R>): Effect.Effect<void, never, R | Scope.Scope> =>
  turn.pipe(
    Effect.catchCause((cause) =>
      Effect.logError("A turn of the voice rooms failed", cause).pipe(Effect.andThen(Effect.sleep(retryAfter)))
    ),
    Effect.forever,
    Effect.forkScoped,
    Effect.asVoid
  )
