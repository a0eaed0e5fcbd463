// What goes wrong between an instance and the rows, and in which order: here the store does as it is told, and time stands
// still. What the rows themselves do is tested on a database.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Latch, Layer, Metric } from "effect"
import { TestClock } from "effect/testing"
import { type Admission, ChannelNotFound, type Member } from "../../src/domain/Channel.ts"
import { Event } from "../../src/domain/Event.ts"
import type { ChannelId, UserId } from "../../src/domain/Ids.ts"
import { RoomNotice } from "../../src/domain/RoomNotice.ts"
import { StoreUnavailable } from "../../src/domain/Unavailable.ts"
import { channelMembers } from "../../src/Metrics.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { ChannelRepository } from "../../src/services/ChannelRepository.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { Lifecycle } from "../../src/services/Lifecycle.ts"
import {
  type PresenceChange,
  PresenceStore,
  type RemoteMember,
  type RemoteRelay
} from "../../src/services/PresenceStore.ts"
import { RoomBus } from "../../src/services/RoomBus.ts"
import { Registry } from "../../src/ws/Registry.ts"
import { Rooms } from "../../src/ws/Rooms.ts"
import { SocketPolicy } from "../../src/ws/SocketPolicy.ts"
import { fakeSocket, makeSessions, noIceServers, openSocket, principal, sessionId } from "../support/Sockets.ts"

const channelId = 5 as ChannelId
const otherId = 6 as ChannelId

// oxlint-disable-next-line typescript/no-explicit-any -- tests read frames as a client without types would
type Frame = any

const guest: Admission = {
  claim: { standing: null, isCreator: false, defaultRole: "guest", whoMaySpeak: "everyone" },
  standing: { role: null, mutedBy: null, removed: false }
}
const muted: Admission = { ...guest, standing: { ...guest.standing, mutedBy: "host" } }
const removed: Admission = { ...guest, standing: { ...guest.standing, removed: true } }

/** A member that is connected to another instance. */
const remote = (connectionId: string, overrides: Partial<RemoteMember> = {}): RemoteMember => ({
  connectionId,
  channelId,
  nodeId: "there",
  user: { id: 9 as UserId, username: "bob", customId: null, pictureUrl: null, metadata: null },
  role: "guest",
  mutedByItself: false,
  mutedBy: null,
  speaking: false,
  ...overrides
})

type State = "Here" | "Away" | "Broken"

interface Write {
  readonly changes: ReadonlyArray<PresenceChange>
  readonly relays: ReadonlyArray<RemoteRelay>
}

/** The rows of the other instances, and what this one wrote. */
const makeStore = Effect.gen(function* () {
  const rows = new Map<string, RemoteMember>()
  const writes: Array<Write> = []
  const store = {
    reading: "Here" as State,
    writing: "Here" as State,
    beating: "Here" as State,
    hasLease: true,
    beats: 0,
    reads: 0,
    /** Closed: what was read is on its way. */
    answers: yield* Latch.make(true),
    rows,
    writes
  }
  const as = (state: State): Effect.Effect<void, StoreUnavailable> =>
    state === "Here"
      ? Effect.void
      : state === "Away"
      ? Effect.fail(new StoreUnavailable({ operation: "members", cause: "away" }))
      : Effect.die("a bug")
  const layer = Layer.mock(PresenceStore, {
    beat: Effect.suspend(() => {
      store.beats++
      const isNew = !store.hasLease
      if (store.beating === "Here") store.hasLease = true
      return Effect.as(as(store.beating), isNew)
    }),
    write: (changes, relays) =>
      Effect.suspend(() => {
        if (store.writing === "Here" && store.hasLease) writes.push({ changes, relays })
        return Effect.as(as(store.writing), store.hasLease)
      }),
    readOthers: (channelIds, connectionIds) =>
      Effect.suspend(() => {
        store.reads++
        const found = [...rows.values()].filter((row) =>
          channelIds.includes(row.channelId) || connectionIds.includes(row.connectionId)
        )
        return store.answers.await.pipe(Effect.andThen(Effect.suspend(() => as(store.reading))), Effect.as(found))
      }),
    leave: Effect.void
  })
  return { store, layer }
})

/** What was decided about whoever asks; no admission: no such channel. */
const makeChannels = Effect.gen(function* () {
  const channels = {
    admission: guest as Admission | undefined,
    state: "Here" as Exclude<State, "Broken">,
    answers: yield* Latch.make(true)
  }
  const layer = Layer.mock(ChannelRepository, {
    admissions: Effect.fnUntraced(function* (_tenant, _channel, candidates) {
      const { admission } = channels
      yield* channels.answers.await
      if (channels.state === "Away") return yield* new StoreUnavailable({ operation: "admissions", cause: "away" })
      return admission === undefined ? yield* new ChannelNotFound() : candidates.map(() => admission)
    })
  })
  return { channels, layer }
})

const makeWorld = Effect.gen(function* () {
  const { layer: storeLayer, store } = yield* makeStore
  const { channels, layer: channelsLayer } = yield* makeChannels
  const sessions = yield* makeSessions
  let draining = false
  const lifecycle = Layer.succeed(Lifecycle, {
    draining: () => draining,
    drain: Effect.sync(() => {
      draining = true
    })
  })
  const context = yield* Layer.build(
    Layer.mergeAll(Registry.layer, Rooms.layer).pipe(
      Layer.provideMerge(Layer.mergeAll(
        storeLayer,
        channelsLayer,
        sessions.layer,
        lifecycle,
        noIceServers,
        EventBus.layerMemory,
        RoomBus.layerMemory,
        Layer.mock(AuditLog, { countSocket: () => {} }),
        Layer.effect(SocketPolicy, Effect.map(SocketPolicy, (policy) => ({ ...policy, drainOver: Duration.zero })))
      ))
    )
  )
  /** Until everybody who can go on has gone on. */
  const settle = Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 200 }), TestClock.adjust(0))
  let number = 0
  const open = Effect.gen(function* () {
    const fake = yield* fakeSocket()
    yield* openSocket(principal(sessionId(++number)), fake.wire).pipe(Effect.provideContext(context))
    const fiber = yield* Effect.forkChild(fake.gone)
    const ready = (yield* fake.next) as Frame
    const send = (type: string, payload: object = {}, id?: number) =>
      fake.receive(JSON.stringify({ type, payload, id }))
    const next: Effect.Effect<Frame> = fake.next
    const connectionId = ready.payload.connection_id as string
    return {
      connectionId,
      fiber,
      send,
      next,
      hangUp: fake.hangUp,
      join: (id?: number, channel = channelId) => send("join_channel", { channel_id: channel }, id),
      /** What it was told, in short. */
      rest: Effect.andThen(settle, Effect.map(fake.rest, (frames) => (frames as ReadonlyArray<Frame>).map(shown)))
    }
  })
  const publish = (...notices: ReadonlyArray<RoomNotice>) =>
    Effect.flatMap(RoomBus, (bus) => Effect.forEach(notices, bus.publish, { concurrency: "unbounded" })).pipe(
      Effect.provideContext(context),
      // Who publishes waits until it is in effect.
      Effect.forkChild({ startImmediately: true })
    )
  return {
    store,
    channels,
    open,
    publish,
    settle,
    drain: Effect.sync(() => {
      draining = true
    }),
    /** Closes the first socket from this side. */
    endSession: Effect.flatMap(
      EventBus,
      (bus) => bus.publish(Event.SessionsEnded({ sessionIds: [sessionId(1)], reason: "logout" }))
    ).pipe(Effect.provideContext(context)),
    changed: (...connectionIds: ReadonlyArray<string>) =>
      publish(RoomNotice.MembersChanged({ channelId, connectionIds })),
    /** The state in which each connection was last written. */
    written: () => {
      const last = new Map<string, Member | undefined>()
      for (const { changes } of store.writes) {
        for (const { connectionId, member } of changes) last.set(connectionId, member)
      }
      return last
    }
  }
})

const shown = (frame: Frame): string => {
  if (frame.type === undefined) return `close ${frame.code}`
  const { payload, type } = frame
  if (type === "error") return `error ${payload.code}`
  if (type === "channel_users") return `channel_users ${payload.users.length}`
  if (payload.connection_id === undefined) return type
  const who = payload.username === "bob" ? payload.connection_id : payload.username
  return [type, who, ...(payload.muted ? ["muted"] : []), ...(payload.speaking ? ["speaking"] : [])].join(" ")
}

const relayFrom = (from: string, to: string, text = '{"type":"webrtc_offer","payload":{}}') =>
  RoomNotice.Relay({ channelId, from, to, text })

describe("Rooms", () => {
  it.effect("answers a join by unavailable while the rows cannot be read, and the next one as if nothing had been", () =>
    Effect.gen(function* () {
      const { channels, open, store } = yield* makeWorld
      const ann = yield* open
      store.rows.set("b", remote("b"))
      for (const who of ["store", "channels"]) {
        if (who === "store") store.reading = "Away"
        else channels.state = "Away"
        yield* ann.join(7)
        yield* TestClock.adjust("250 millis")
        const answer = yield* ann.next
        assert.deepStrictEqual([answer.type, answer.payload.code, answer.id], ["error", "unavailable", 7], who)
        store.reading = "Here"
        channels.state = "Here"
      }
      yield* ann.join(8)
      yield* TestClock.adjust("250 millis")
      const answer = yield* ann.next
      assert.deepStrictEqual([answer.type, answer.payload.users.length, answer.id], ["channel_users", 2, 8])
    }))

  it.effect("leaves who is in another channel there when the join of the next one fails", () =>
    Effect.gen(function* () {
      const { open, settle, store, written } = yield* makeWorld
      const ann = yield* open
      const bob = yield* open
      yield* ann.join()
      yield* bob.join()
      yield* settle
      store.reading = "Away"
      yield* ann.join(1, otherId)
      assert.include(yield* ann.rest, "error unavailable")
      assert.notInclude(yield* bob.rest, "user_left ann")
      assert.strictEqual(written().get(ann.connectionId)?.channelId, channelId)
    }))

  it.effect("fails a join that a bug met, and lets the next one in", () =>
    Effect.gen(function* () {
      const { open, store } = yield* makeWorld
      store.reading = "Broken"
      const ann = yield* open
      yield* ann.join(1)
      assert.deepStrictEqual(yield* ann.rest, ["close 1011"])
      store.reading = "Here"
      const again = yield* open
      yield* again.join(2)
      yield* TestClock.adjust("250 millis")
      assert.deepStrictEqual(yield* again.rest, ["channel_users 1"])
    }))

  it.effect("reads rows again that it could not read for a bug", () =>
    Effect.gen(function* () {
      const { changed, open, settle, store } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* settle
      store.reading = "Broken"
      store.rows.set("b", remote("b"))
      yield* changed("b")
      assert.deepStrictEqual(yield* ann.rest, ["channel_users 1"])
      store.reading = "Here"
      yield* TestClock.adjust("250 millis")
      assert.deepStrictEqual(yield* ann.rest, ["user_joined b"])
    }))

  for (const state of ["Away", "Broken"] as const) {
    it.effect(`writes again what could not be written, as it is by then: the store is ${state}`, () =>
      Effect.gen(function* () {
        const { open, settle, store, written } = yield* makeWorld
        const ann = yield* open
        const bob = yield* open
        const eve = yield* open
        store.writing = state
        yield* eve.join()
        yield* settle
        yield* ann.join()
        yield* bob.join()
        yield* settle
        yield* ann.send("mute", { muted: true })
        yield* bob.hangUp
        yield* settle
        assert.strictEqual(store.writes.length, 0)
        store.writing = "Here"
        yield* TestClock.adjust("250 millis")
        yield* settle
        assert.isTrue(written().get(ann.connectionId)?.mutedByItself)
        assert.isTrue(written().has(bob.connectionId))
        assert.isUndefined(written().get(bob.connectionId))
        assert.strictEqual(written().get(eve.connectionId)?.channelId, channelId)
        assert.strictEqual(store.writes.length, 1)
      }))
  }

  it.effect("writes every member again once the lease is lost, with what could not be written for it", () =>
    Effect.gen(function* () {
      const { open, settle, store } = yield* makeWorld
      store.rows.set("b", remote("b"))
      const ann = yield* open
      const eve = yield* open
      yield* ann.join()
      yield* eve.join()
      yield* settle
      store.writes.length = 0
      store.hasLease = false
      const beats = store.beats
      yield* ann.send("ice_candidate", { to: "b", candidate: null })
      yield* settle
      assert.strictEqual(store.beats, beats + 1)
      const members = store.writes.flatMap(({ changes }) => changes.map(({ connectionId }) => connectionId))
      assert.deepStrictEqual(members.toSorted(), [ann.connectionId, eve.connectionId].toSorted())
      const relays = store.writes.flatMap(({ relays }) => relays)
      assert.deepStrictEqual(relays.map(({ nodeId, to }) => [nodeId, to]), [["there", "b"]])
    }))

  it.effect("sends a signal once, though neither lease nor beat was to be had at first", () =>
    Effect.gen(function* () {
      const { open, settle, store } = yield* makeWorld
      store.rows.set("b", remote("b"))
      const ann = yield* open
      yield* ann.join()
      yield* settle
      store.hasLease = false
      store.beating = "Away"
      yield* ann.send("ice_candidate", { to: "b", candidate: null })
      yield* settle
      store.beating = "Here"
      yield* TestClock.adjust("250 millis")
      yield* settle
      assert.strictEqual(store.writes.flatMap(({ relays }) => relays).length, 1)
    }))

  it.effect("drops signals that the store takes for a bug, and not what was to be written with them", () =>
    Effect.gen(function* () {
      const { open, settle, store, written } = yield* makeWorld
      store.rows.set("b", remote("b"))
      const ann = yield* open
      yield* ann.join()
      yield* settle
      store.writing = "Broken"
      yield* ann.send("mute", { muted: true })
      yield* settle
      yield* ann.send("ice_candidate", { to: "b", candidate: null })
      yield* settle
      yield* TestClock.adjust("250 millis")
      yield* settle
      store.writing = "Here"
      yield* TestClock.adjust("250 millis")
      yield* settle
      assert.isTrue(written().get(ann.connectionId)?.mutedByItself)
      yield* ann.send("ice_candidate", { to: "b", candidate: "later" })
      yield* settle
      const relays = store.writes.flatMap(({ relays }) => relays)
      assert.deepStrictEqual(relays.map(({ text }) => JSON.parse(text).payload.candidate), ["later"])
    }))

  it.effect("writes every member again when a beat finds no lease, and no member when it finds one", () =>
    Effect.gen(function* () {
      const { open, settle, store } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* settle
      store.writes.length = 0
      yield* TestClock.adjust("2 seconds")
      yield* settle
      assert.deepStrictEqual(store.writes, [])
      store.hasLease = false
      yield* TestClock.adjust("2 seconds")
      yield* settle
      assert.deepStrictEqual(store.writes.flatMap(({ changes }) => changes.map(({ connectionId }) => connectionId)), [
        ann.connectionId
      ])
    }))

  it.effect("goes on beating after beats that failed, for whatever reason", () =>
    Effect.gen(function* () {
      const { settle, store } = yield* makeWorld
      yield* settle
      for (const state of ["Away", "Broken", "Here"] as const) {
        store.beating = state
        const { beats } = store
        yield* TestClock.adjust("3 seconds")
        yield* settle
        assert.isAbove(store.beats, beats, state)
      }
    }))

  it.effect("tells of who sent a signal before the signal, though its row comes later", () =>
    Effect.gen(function* () {
      const { changed, open, publish, settle, store } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* settle
      store.rows.set("b", remote("b"))
      store.rows.set("c", remote("c"))
      yield* store.answers.close
      yield* changed("b")
      yield* publish(relayFrom("b", ann.connectionId), relayFrom("c", ann.connectionId))
      assert.deepStrictEqual(yield* ann.rest, ["channel_users 1"], "of c nobody said anything: it is dropped")
      yield* store.answers.open
      assert.deepStrictEqual(yield* ann.rest, ["user_joined b", "webrtc_offer"])
      yield* publish(relayFrom("b", ann.connectionId), relayFrom("b", "nobody"))
      assert.deepStrictEqual(yield* ann.rest, ["webrtc_offer"])
    }))

  it.effect("keeps the signals of one member in order while its row is read, and after it was read in vain", () =>
    Effect.gen(function* () {
      const { changed, open, publish, settle, store } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* settle
      store.rows.set("b", remote("b"))
      store.reading = "Away"
      yield* changed("b")
      const numbered = (type: string) => relayFrom("b", ann.connectionId, JSON.stringify({ type, payload: {} }))
      yield* publish(numbered("1"), numbered("2"))
      yield* settle
      yield* publish(numbered("3"))
      assert.deepStrictEqual(yield* ann.rest, ["channel_users 1"])
      store.reading = "Here"
      yield* TestClock.adjust("250 millis")
      assert.deepStrictEqual(yield* ann.rest, ["user_joined b", "1", "2", "3"])
    }))

  it.effect("drops the early signals of who turns out not to be in the channel", () =>
    Effect.gen(function* () {
      const { changed, open, publish, settle, store } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* settle
      store.rows.set("b", remote("b", { channelId: otherId }))
      yield* store.answers.close
      yield* changed("b", "c")
      yield* publish(relayFrom("b", ann.connectionId), relayFrom("c", ann.connectionId))
      yield* store.answers.open
      assert.deepStrictEqual(yield* ann.rest, ["channel_users 1"])
    }))

  it.effect("reads a row again that changed while it was read, so that nothing old stays", () =>
    Effect.gen(function* () {
      const { changed, open, settle, store } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* settle
      store.rows.set("b", remote("b"))
      yield* store.answers.close
      yield* changed("b")
      yield* settle
      const { reads } = store
      store.rows.set("b", remote("b", { mutedByItself: true }))
      yield* changed("b")
      yield* store.answers.open
      yield* settle
      assert.strictEqual(store.reads, reads + 1)
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(yield* ann.rest, ["channel_users 1", "user_joined b", "user_updated b muted"])
      yield* store.answers.close
      yield* changed("b")
      yield* settle
      store.rows.delete("b")
      yield* changed("b")
      yield* store.answers.open
      assert.deepStrictEqual(yield* ann.rest, ["user_left b muted"])
    }))

  it.effect("adds at once who came while notices were missed, and lets nobody go before a moment has passed", () =>
    Effect.gen(function* () {
      const { open, publish, settle, store } = yield* makeWorld
      const ann = yield* open
      for (const id of ["gone", "back", "same"]) store.rows.set(id, remote(id))
      yield* ann.join()
      yield* settle
      store.rows.delete("gone")
      store.rows.delete("back")
      store.rows.set("new", remote("new"))
      store.rows.set("same", remote("same", { speaking: true }))
      yield* publish(RoomNotice.Gap())
      const heard = yield* ann.rest
      assert.deepStrictEqual(heard.toSorted(), ["channel_users 4", "user_joined new", "user_updated same speaking"])
      yield* TestClock.adjust("5900 millis")
      store.rows.set("back", remote("back"))
      assert.deepStrictEqual(yield* ann.rest, [])
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(yield* ann.rest, ["user_left gone"])
    }))

  it.effect("lets go, after a gap, who is in another channel now", () =>
    Effect.gen(function* () {
      const { open, publish, settle, store } = yield* makeWorld
      const [ann, bob] = [yield* open, yield* open]
      store.rows.set("moved", remote("moved"))
      yield* ann.join()
      yield* bob.join(1, otherId)
      yield* settle
      store.rows.set("moved", remote("moved", { channelId: otherId }))
      yield* publish(RoomNotice.Gap())
      yield* settle
      yield* TestClock.adjust("7 seconds")
      assert.include(yield* ann.rest, "user_left moved")
      assert.include(yield* bob.rest, "user_joined moved")
    }))

  it.effect("writes and tells nothing when a decision changed nothing, nor echoes what one does next", () =>
    Effect.gen(function* () {
      const { open, publish, settle, store } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* settle
      store.writes.length = 0
      yield* publish(RoomNotice.DecisionsChanged({ channelId, userId: null }))
      yield* settle
      assert.deepStrictEqual(store.writes, [])
      yield* ann.send("speaking", { speaking: true })
      yield* settle
      assert.deepStrictEqual(yield* ann.rest, ["channel_users 1"])
    }))

  it.effect("writes at once what a member changes about itself, and what it changes next together", () =>
    Effect.gen(function* () {
      const { open, settle, store, written } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* settle
      store.writes.length = 0
      yield* ann.send("speaking", { speaking: true })
      yield* settle
      assert.isTrue(written().get(ann.connectionId)?.speaking)
      for (const speaking of [false, true, false]) {
        yield* ann.send("speaking", { speaking })
        yield* settle
      }
      yield* TestClock.adjust("99 millis")
      yield* settle
      assert.strictEqual(store.writes.length, 1)
      yield* TestClock.adjust("1 millis")
      yield* settle
      assert.strictEqual(store.writes.length, 2)
      assert.isFalse(written().get(ann.connectionId)?.speaking)
    }))

  it.effect("looks at what was decided about everybody after a gap", () =>
    Effect.gen(function* () {
      const { channels, open, publish } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      assert.deepStrictEqual(yield* ann.rest, ["channel_users 1"])
      channels.admission = removed
      yield* publish(RoomNotice.Gap())
      assert.deepStrictEqual(yield* ann.rest, ["user_left ann", "error removed_from_channel"])
    }))

  it.effect("applies what is decided about a user while it comes in", () =>
    Effect.gen(function* () {
      for (
        const [decision, told] of [
          [muted, ["channel_users 1", "user_updated ann muted"]],
          [removed, ["channel_users 1", "user_left ann", "error removed_from_channel"]],
          [undefined, ["channel_users 1", "user_left ann", "error channel_deleted"]]
        ] as const
      ) {
        const notices = [RoomNotice.DecisionsChanged({ channelId, userId: 7 as UserId }), RoomNotice.Gap()]
        for (const notice of notices) {
          for (const during of ["store", "channels"] as const) {
            const { channels, open, publish, settle, store } = yield* makeWorld
            const ann = yield* open
            const { answers } = during === "store" ? store : channels
            yield* answers.close
            yield* ann.join()
            yield* settle
            channels.admission = decision
            yield* publish(notice)
            yield* settle
            yield* answers.open
            assert.deepStrictEqual(yield* ann.rest, [...told], `${notice._tag} during ${during}`)
          }
        }
      }
    }))

  it.effect("applies a decision later that could not be looked up at first", () =>
    Effect.gen(function* () {
      const { channels, open, publish } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* ann.rest
      channels.admission = muted
      channels.state = "Away"
      yield* publish(RoomNotice.DecisionsChanged({ channelId, userId: 7 as UserId }))
      assert.deepStrictEqual(yield* ann.rest, [])
      channels.state = "Here"
      yield* TestClock.adjust("250 millis")
      assert.deepStrictEqual(yield* ann.rest, ["user_updated ann muted"])
    }))

  it.effect("answers a decision once it is in effect for all who are here", () =>
    Effect.gen(function* () {
      const { channels, open, publish, settle } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* ann.rest
      yield* channels.answers.close
      channels.admission = muted
      const decision = yield* publish(RoomNotice.DecisionsChanged({ channelId, userId: 7 as UserId }))
      yield* settle
      assert.isUndefined(decision.pollUnsafe())
      yield* channels.answers.open
      yield* Fiber.join(decision)
      yield* ann.send("speaking", { speaking: true }, 1)
      assert.deepStrictEqual(yield* ann.rest, ["user_updated ann muted", "error not_allowed"])
    }))

  it.effect("answers a decision that cannot be looked up after two seconds, and where it concerns nobody at once", () =>
    Effect.gen(function* () {
      const { channels, open, publish, settle } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* ann.rest
      channels.state = "Away"
      yield* Fiber.join(yield* publish(RoomNotice.DecisionsChanged({ channelId: otherId, userId: null })))
      const decision = yield* publish(RoomNotice.DecisionsChanged({ channelId, userId: null }))
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(decision.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* settle
      assert.isDefined(decision.pollUnsafe())
    }))

  it.effect("waits for nobody where there are no rooms", () =>
    Effect.flatMap(RoomBus, (bus) => bus.publish(RoomNotice.Gap())).pipe(Effect.provide(RoomBus.layerMemory)))

  it.effect("hears no frame of who comes in before what was decided meanwhile is in effect", () =>
    Effect.gen(function* () {
      const { channels, open, publish, settle, store } = yield* makeWorld
      const ann = yield* open
      yield* store.answers.close
      yield* ann.join()
      yield* ann.send("speaking", { speaking: true }, 1)
      yield* settle
      channels.admission = muted
      yield* channels.answers.close
      yield* publish(RoomNotice.DecisionsChanged({ channelId, userId: 7 as UserId }))
      yield* settle
      yield* store.answers.open
      yield* settle
      yield* channels.answers.open
      assert.deepStrictEqual(yield* ann.rest, ["channel_users 1", "user_updated ann muted", "error not_allowed"])
    }))

  it.effect("looks nobody up whom a decision does not concern", () =>
    Effect.gen(function* () {
      const { channels, open, publish } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* ann.rest
      channels.admission = removed
      yield* publish(
        RoomNotice.DecisionsChanged({ channelId, userId: 8 as UserId }),
        RoomNotice.DecisionsChanged({ channelId: otherId, userId: null })
      )
      assert.deepStrictEqual(yield* ann.rest, [])
    }))

  it.effect("tells of nobody who leaves while the instance stops, though its rows go", () =>
    Effect.gen(function* () {
      const { drain, open, settle, written } = yield* makeWorld
      const ann = yield* open
      const eve = yield* open
      yield* ann.join()
      yield* eve.join()
      yield* settle
      yield* drain
      yield* ann.hangUp
      yield* Fiber.join(ann.fiber)
      assert.deepStrictEqual(yield* eve.rest, ["channel_users 2"])
      assert.isTrue(written().has(ann.connectionId))
      assert.isUndefined(written().get(ann.connectionId))
    }))

  it.effect("leaves nothing of a socket that closes while it comes in, from either side", () =>
    Effect.gen(function* () {
      for (const during of ["store", "channels"] as const) {
        for (const side of ["client", "server"] as const) {
          const { changed, channels, endSession, open, publish, settle, store, written } = yield* makeWorld
          const ann = yield* open
          const { answers } = during === "store" ? store : channels
          yield* answers.close
          yield* ann.join()
          yield* settle
          yield* side === "client" ? ann.hangUp : endSession
          yield* settle
          yield* answers.open
          yield* Fiber.join(ann.fiber)
          yield* settle
          assert.isUndefined(written().get(ann.connectionId))
          if (side === "server") assert.deepStrictEqual(store.writes, [], during)
          assert.strictEqual((yield* Metric.value(channelMembers)).value, 0)
          // Nobody is in the room, so that nothing is read for it.
          const { reads } = store
          yield* changed("b")
          yield* publish(RoomNotice.Gap())
          yield* settle
          assert.strictEqual(store.reads, reads)
        }
      }
    }))

  it.effect("counts its members, and forgets a room when the last one leaves", () =>
    Effect.gen(function* () {
      const { changed, open, settle, store } = yield* makeWorld
      const ann = yield* open
      const eve = yield* open
      yield* ann.join()
      yield* eve.join()
      yield* settle
      assert.strictEqual((yield* Metric.value(channelMembers)).value, 2)
      yield* ann.send("leave_channel")
      yield* eve.hangUp
      yield* settle
      assert.strictEqual((yield* Metric.value(channelMembers)).value, 0)
      const { reads } = store
      yield* changed("b")
      yield* settle
      assert.strictEqual(store.reads, reads)
      store.rows.set("b", remote("b"))
      yield* ann.rest
      yield* ann.join()
      assert.deepStrictEqual(yield* ann.rest, ["channel_users 2"], "read anew")
    }))

  it.effect("keeps a room for who is coming in, though everybody else leaves it", () =>
    Effect.gen(function* () {
      const { changed, channels, open, settle, store } = yield* makeWorld
      const ann = yield* open
      const eve = yield* open
      yield* eve.join()
      yield* settle
      yield* channels.answers.close
      yield* ann.join()
      yield* settle
      yield* eve.hangUp
      yield* settle
      yield* channels.answers.open
      yield* settle
      store.rows.set("b", remote("b"))
      yield* changed("b")
      assert.deepStrictEqual(yield* ann.rest, ["channel_users 1", "user_joined b"])
    }))

  it.effect("keeps its own members, though another instance took their rows for those of a dead one", () =>
    Effect.gen(function* () {
      const { changed, open } = yield* makeWorld
      const ann = yield* open
      const eve = yield* open
      yield* ann.join()
      yield* eve.join()
      yield* ann.rest
      yield* eve.rest
      yield* changed(ann.connectionId)
      assert.deepStrictEqual([yield* ann.rest, yield* eve.rest], [[], []])
    }))

  it.effect("applies to nobody in its next channel what was decided about it in the one before", () =>
    Effect.gen(function* () {
      const { channels, open, publish, settle } = yield* makeWorld
      const ann = yield* open
      const eve = yield* open
      yield* eve.join(1, otherId)
      yield* ann.join()
      yield* ann.rest
      const { answers } = channels
      yield* answers.close
      channels.admission = removed
      yield* publish(RoomNotice.DecisionsChanged({ channelId, userId: null }))
      yield* settle
      channels.answers = yield* Latch.make(true)
      channels.admission = guest
      yield* ann.join(1, otherId)
      yield* settle
      yield* answers.open
      assert.deepStrictEqual(yield* ann.rest, ["channel_users 2"])
    }))

  it.effect("sends all that waited, though it is too much for one statement", () =>
    Effect.gen(function* () {
      const { open, settle, store } = yield* makeWorld
      store.rows.set("b", remote("b"))
      const ann = yield* open
      yield* ann.join()
      yield* settle
      store.writing = "Away"
      for (let n = 0; n < 10; n++) yield* ann.send("webrtc_offer", { to: "b", sdp: "x".repeat(60_000) })
      yield* settle
      store.writing = "Here"
      // One more statement at each turn.
      for (let n = 0; n < 20; n++) {
        yield* TestClock.adjust("250 millis")
        yield* settle
      }
      const sent = store.writes.map(({ relays }) => relays.length).filter((count) => count > 0)
      assert.isAbove(sent.length, 1)
      assert.strictEqual(sent.reduce((sum, count) => sum + count, 0), 10)
    }))

  it.effect("lets those go who are missing after a gap, though reading them took longer than the grace", () =>
    Effect.gen(function* () {
      const { open, publish, settle, store } = yield* makeWorld
      const ann = yield* open
      store.rows.set("gone", remote("gone"))
      yield* ann.join()
      assert.deepStrictEqual(yield* ann.rest, ["channel_users 2"])
      store.rows.delete("gone")
      yield* store.answers.close
      yield* publish(RoomNotice.Gap())
      yield* settle
      yield* TestClock.adjust("7 seconds")
      yield* store.answers.open
      assert.deepStrictEqual(yield* ann.rest, ["user_left gone"])
    }))

  it.effect("reads nothing more for a room that everybody left while it could not be read", () =>
    Effect.gen(function* () {
      const { open, publish, settle, store } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* settle
      store.reading = "Away"
      yield* publish(RoomNotice.Gap())
      yield* settle
      yield* ann.send("leave_channel")
      yield* settle
      const { reads } = store
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.strictEqual(store.reads, reads)
    }))

  it.effect("holds no more than so many early signals", () =>
    Effect.gen(function* () {
      const { changed, open, publish, settle, store } = yield* makeWorld
      const ann = yield* open
      yield* ann.join()
      yield* ann.rest
      store.rows.set("b", remote("b"))
      yield* store.answers.close
      yield* changed("b")
      for (let n = 0; n < 1010; n++) yield* publish(relayFrom("b", ann.connectionId))
      yield* Effect.repeat(settle, { times: 10 })
      yield* store.answers.open
      yield* Effect.repeat(settle, { times: 10 })
      assert.strictEqual((yield* ann.rest).length, 1 + 1000)
    }))
})
