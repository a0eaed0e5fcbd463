// The signalling socket, kept open: it comes back as each close asks for, rejoins its channel, and knows who is in it.
import type { ClientFrame, ClientFrames, ServerFrame } from "../api/Frames.ts"
import type { IceServer } from "../api/IceServer.ts"
import type { Member } from "../api/Member.ts"
import type { Role } from "../domain/Role.ts"
import type { Auth, Session } from "./Auth.ts"
import { afterClose, type Backoff, fullJitter, ordinary, restartPause, slower, slowest } from "./Backoff.ts"
import { RoomkeyError, signedOut, toError } from "./Errors.ts"
import { Outbox } from "./Outbox.ts"
import { type Clock, type Socket, type SocketConstructor, systemClock } from "./Platform.ts"

type Frame<Type extends ServerFrame["type"]> = Extract<ServerFrame, { readonly type: Type }>
type Payload<Type extends ServerFrame["type"]> = Frame<Type>["payload"]

/** An `RTCIceCandidateInit`, its text alone, or `null` when there are no more. */
export type Candidate = ClientFrames["ice_candidate"]["payload"]["candidate"]

/** `waiting` is between two tries; `closed` stays so until `connect` is called again. */
export type RealtimeState = "idle" | "connecting" | "open" | "waiting" | "closed"

/** What `on` can listen for, and what the listener hears. */
export interface RealtimeEvents {
  readonly ready: Payload<"ready">
  /** Everybody in the channel: after every join, a rejoin included. */
  readonly joined: Payload<"channel_users">
  readonly user_joined: Member
  readonly user_left: Member
  /** Also of oneself, once the server has agreed. */
  readonly user_updated: Member
  readonly webrtc_offer: Payload<"webrtc_offer">
  readonly webrtc_answer: Payload<"webrtc_answer">
  readonly ice_candidate: Payload<"ice_candidate">
  /** What no promise tells of: a frame without an answer that failed, a reconnect that meets a refusal. */
  readonly error: RoomkeyError
  readonly state: RealtimeState
  /** A socket ended; `reconnects` says whether there will be another. */
  readonly closed: { readonly code: number; readonly reason: string; readonly reconnects: boolean }
  /** Taken out of the channel: it is not rejoined. */
  readonly removed: { readonly channel_id: number; readonly code: string }
  /** The session is over; the code says why. */
  readonly signed_out: { readonly code: string }
}

export interface RealtimeOptions {
  /** By default the global `WebSocket`. */
  readonly webSocket?: SocketConstructor
  readonly clock?: Clock
  /** In [0, 1): what the backoff is drawn from. */
  readonly random?: () => number
  /** Milliseconds that an answer, or the opening of a socket, may take. */
  readonly requestTimeout?: number
  /** Milliseconds between two pings, which find a connection that has died silently. */
  readonly pingEvery?: number
  /** Milliseconds that a socket must have been open for the backoff to start over. */
  readonly stableAfter?: number
}

export interface Realtime {
  readonly state: RealtimeState
  /** One's own, new with every socket. */
  readonly connectionId: string | undefined
  /** For `RTCPeerConnection`. */
  readonly iceServers: ReadonlyArray<IceServer>
  readonly channelId: number | undefined
  /** Everybody in the channel by connection id, oneself included; while disconnected, as last heard. */
  readonly members: ReadonlyMap<string, Member>

  /**
   * Opens the socket and keeps it open until `close` or the end of the session. While waiting it tries at once.
   *
   * @returns settles with the first socket that is ready, or when there will be none
   * @example
   * ```ts
   * await realtime.connect()
   * console.log(realtime.connectionId)
   * ```
   */
  connect(): Promise<void>

  /**
   * Closes the socket for good and leaves the channel.
   *
   * @example
   * ```ts
   * realtime.close()
   * ```
   */
  close(): void

  /**
   * Enters a channel, and leaves the one before. It is entered again after every reconnect.
   *
   * @param channelId of `GET /api/channels`
   * @param role asks for less than one may have, or for as much; the server decides
   * @returns everybody in the channel, oneself included
   * @example
   * ```ts
   * const members = await realtime.join(channel.id)
   * console.log(members.map(({ username }) => username))
   * ```
   */
  join(channelId: number, role?: Role): Promise<ReadonlyArray<Member>>

  /**
   * Leaves the channel; without a connection it is just not rejoined.
   *
   * @example
   * ```ts
   * await realtime.leave()
   * ```
   */
  leave(): Promise<void>

  /**
   * Mutes or unmutes oneself, also after a reconnect, or, as a host, somebody else.
   *
   * @param muted what it shall be
   * @param connectionId whose; by default one's own
   * @example
   * ```ts
   * await realtime.mute(true)
   * ```
   */
  mute(muted: boolean, connectionId?: string): Promise<void>

  /**
   * Shows to the others whether one is speaking. Without a connection nothing happens.
   *
   * @param speaking what it is
   * @example
   * ```ts
   * realtime.speaking(true)
   * ```
   */
  speaking(speaking: boolean): void

  /**
   * As a host: gives a member a role in the channel, for good.
   *
   * @param connectionId whose
   * @param role which
   * @example
   * ```ts
   * for (const { connection_id, role } of realtime.members.values()) {
   *   if (role === "listener") await realtime.setRole(connection_id, "speaker")
   * }
   * ```
   */
  setRole(connectionId: string, role: Role): Promise<void>

  /**
   * As a host: takes a member out of the channel.
   *
   * @param connectionId whose
   * @example
   * ```ts
   * for (const { connection_id, username } of realtime.members.values()) {
   *   if (username === "mallory") await realtime.remove(connection_id)
   * }
   * ```
   */
  remove(connectionId: string): Promise<void>

  /**
   * Sends a session description to a member.
   *
   * @param to the member's connection id
   * @param sdp of `RTCPeerConnection.createOffer`
   * @example
   * ```ts
   * realtime.on("user_joined", async ({ connection_id }) => {
   *   const peer = new RTCPeerConnection({ iceServers: realtime.iceServers })
   *   await peer.setLocalDescription()
   *   await realtime.sendOffer(connection_id, peer.localDescription.sdp)
   * })
   * ```
   */
  sendOffer(to: string, sdp: string): Promise<void>

  /**
   * Answers a member's offer.
   *
   * @param to the member's connection id
   * @param sdp of `RTCPeerConnection.createAnswer`
   * @example
   * ```ts
   * realtime.on("webrtc_offer", async ({ from, sdp }) => {
   *   const peer = new RTCPeerConnection({ iceServers: realtime.iceServers })
   *   await peer.setRemoteDescription({ type: "offer", sdp })
   *   await peer.setLocalDescription()
   *   await realtime.sendAnswer(from, peer.localDescription.sdp)
   * })
   * ```
   */
  sendAnswer(to: string, sdp: string): Promise<void>

  /**
   * Sends an ICE candidate to a member. Without a connection nothing happens.
   *
   * @param to the member's connection id
   * @param candidate of `RTCPeerConnection`'s `icecandidate`; `null` when there are no more
   * @example
   * ```ts
   * for (const { connection_id } of realtime.members.values()) realtime.sendCandidate(connection_id, null)
   * ```
   */
  sendCandidate(to: string, candidate: Candidate): void

  /**
   * Asks the server for a sign of life.
   *
   * @returns milliseconds until it came
   * @example
   * ```ts
   * console.log(`${await realtime.ping()} ms`)
   * ```
   */
  ping(): Promise<number>

  /**
   * Calls `listener` on every event of a kind.
   *
   * @param event which
   * @param listener hears what {@link RealtimeEvents} lists for it
   * @returns stops that
   * @example
   * ```ts
   * const stop = realtime.on("user_joined", ({ username }) => console.log(`${username} is here`))
   * stop()
   * ```
   */
  on<Event extends keyof RealtimeEvents>(event: Event, listener: (value: RealtimeEvents[Event]) => void): () => void
}

interface Pending {
  readonly resolve: (frame: ServerFrame) => void
  readonly reject: (error: RoomkeyError) => void
}

/** One socket and what belongs to it alone: what a socket that was given up still says is not heard. */
interface Link {
  readonly socket: Socket
  readonly outbox: Outbox
  readonly pending: Map<unknown, Pending>
  openedAt: number | undefined
  cancelTimer: () => void
}

/** A channel that is to be entered again. */
interface Place {
  readonly channelId: number
  role: Role | undefined
  muted: boolean
}

/** Milliseconds by which two clocks may tell the end of the same token. */
const slack = 60_000

const removals = ["removed_from_channel", "channel_deleted"]

/**
 * Makes the part of the client that holds the signalling socket.
 *
 * @param auth who is signed in
 * @param options for tests, and for runtimes without a global `WebSocket`
 * @example
 * ```ts
 * import { createRealtime } from "roomkey/client"
 *
 * const realtime = createRealtime(auth)
 * realtime.on("joined", ({ users }) => console.log(`${users.length} in the channel`))
 * realtime.on("signed_out", ({ code }) => console.log(`Sign in again: ${code}`))
 * await realtime.connect()
 * await realtime.join(channel.id)
 * ```
 */
export const createRealtime = (auth: Auth, options: RealtimeOptions = {}): Realtime => {
  const {
    clock = systemClock,
    pingEvery = 25_000,
    random = Math.random,
    requestTimeout = 10_000,
    stableAfter = 5000,
    webSocket = globalThis.WebSocket as unknown as SocketConstructor
  } = options
  const listeners = new Map<keyof RealtimeEvents, Set<(value: never) => void>>()
  const members = new Map<string, Member>()
  let state: RealtimeState = "idle"
  let link: Link | undefined
  let sessionId: string | undefined
  let connectionId: string | undefined
  let iceServers: ReadonlyArray<IceServer> = []
  let channelId: number | undefined
  /** Where to return to, and where the last `join_channel` was for: they differ until it is answered. */
  let place: Place | undefined
  let heading: Place | undefined
  let attempts = 0
  let lastId = 0
  /** Moves with every decision, so that what began before it does not go on after it. */
  let turn = 0
  let cancelWait = () => {}
  let unsubscribe = () => {}
  let opening: PromiseWithResolvers<void> | undefined

  const emit = <Event extends keyof RealtimeEvents>(event: Event, value: RealtimeEvents[Event]) => {
    for (const listener of listeners.get(event) ?? []) {
      try {
        ;(listener as (value: RealtimeEvents[Event]) => void)(value)
      } catch (error) {
        // As of any event target: reported, and nobody else's concern.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  const setState = (next: RealtimeState) => {
    if (state === next) return
    state = next
    emit("state", next)
  }

  /** Gives the socket up, and fails what waits for an answer on it. */
  const release = () => {
    turn++
    cancelWait()
    const given = link
    link = undefined
    connectionId = undefined
    if (given === undefined) return
    given.cancelTimer()
    given.outbox.clear()
    given.socket.close(1000)
    for (const { reject } of given.pending.values()) {
      reject(new RoomkeyError({ code: "disconnected", detail: "The socket closed before the answer" }))
    }
  }

  const forgetChannel = () => {
    place = heading = channelId = undefined
    members.clear()
  }

  const finish = (why: RoomkeyError) => {
    release()
    unsubscribe()
    forgetChannel()
    attempts = 0
    sessionId = undefined
    opening?.reject(why)
    opening = undefined
    setState("closed")
  }

  const wait = (milliseconds: number) => {
    turn++
    cancelWait = clock.setTimeout(() => void open(), milliseconds)
    setState("waiting")
  }

  const backOff = (backoff: Backoff, atLeast = 0) =>
    wait(Math.max(atLeast * 1000, fullJitter(backoff, attempts++, random)))

  /** The session could not be asked about, or refused. Where that ended it, `sessionChanged` has done the rest. */
  const failed = (thrown: unknown, before: number) => {
    if (turn !== before) return
    const error = toError(thrown)
    if (auth.session === null) return signOut(error.code)
    emit("error", error)
    if (turn === before) backOff(error.retryable ? ordinary : slowest, error.retryAfter)
  }

  const stop = (error: RoomkeyError) => {
    finish(error)
    emit("error", error)
  }

  const signOut = (code: string) => {
    finish(signedOut())
    emit("signed_out", { code })
  }

  const sessionChanged = (session: Session | null, code = "signed_out") => {
    if (session === null) return signOut(code)
    if (sessionId === undefined || session.id === sessionId) return
    // Somebody else signed in: nothing of the one before goes on.
    sessionId = undefined
    release()
    forgetChannel()
    void open()
  }

  const open = async (): Promise<void> => {
    const mine = ++turn
    setState("connecting")
    let token: string
    try {
      token = await auth.token()
    } catch (error) {
      return failed(error, mine)
    }
    if (turn !== mine) return
    sessionId = auth.session?.id
    let socket: Socket
    try {
      socket = new webSocket(`${auth.baseUrl.replace(/^http/, "ws")}/ws`, ["roomkey.v1", `roomkey.bearer.${token}`])
    } catch (error) {
      return stop(toError(error))
    }
    const own: Link = {
      socket,
      outbox: new Outbox(clock, (text) => socket.send(text)),
      pending: new Map(),
      openedAt: undefined,
      cancelTimer: clock.setTimeout(() => lost(own, 1006, "no answer"), requestTimeout)
    }
    link = own
    socket.addEventListener("message", ({ data }) => received(own, data))
    socket.addEventListener("close", ({ code, reason }) => lost(own, code, reason))
    socket.addEventListener("error", () => {})
  }

  const lost = (given: Link, code: number, reason: string) => {
    if (given !== link) return
    const { openedAt } = given
    const refused = openedAt === undefined && code === 1006
    const next = refused ? "probe" : afterClose(code, reason)
    if (openedAt !== undefined && clock.now() - openedAt >= stableAfter) attempts = 0
    release()
    const mine = turn
    emit("closed", { code, reason, reconnects: next !== "stop" && next !== "sign_out" })
    if (turn !== mine) return
    const error = new RoomkeyError({ code: reason === "" ? "closed" : reason, detail: `Closed with ${code}` })
    switch (next) {
      case "probe":
        return void probe()
      case "backoff":
        return backOff(ordinary)
      case "slow":
        return backOff(slower)
      case "pause":
        return wait(random() * restartPause)
      case "suspended":
        emit("error", error)
        return turn === mine ? backOff(slowest) : undefined
      case "refresh":
        return void renew()
      case "sign_out":
        auth.forget(reason)
        // Nobody is told when another tab was first.
        return turn === mine ? signOut(reason) : undefined
      case "stop":
        return stop(error)
    }
  }

  /** A refused handshake does not show why: an ordinary call does, and refreshes or signs out as it asks for. */
  const probe = async () => {
    const mine = ++turn
    setState("connecting")
    try {
      await auth.call("GET", "/api/me")
      if (turn === mine) backOff(ordinary)
    } catch (error) {
      failed(error, mine)
    }
  }

  /** Goes on at once with the next token, but not again and again. */
  const renew = async () => {
    const mine = ++turn
    setState("connecting")
    try {
      await auth.refresh()
    } catch (error) {
      return failed(error, mine)
    }
    if (turn !== mine) return
    if (attempts > 0) return backOff(ordinary)
    attempts++
    await open()
  }

  /** Once the server has heard of a refresh, by whomever, it lets the socket live as long as the new token. */
  const extend = async (given: Link, endsAt: number, attempt = 0): Promise<void> => {
    if (given !== link || (auth.session?.expiresAt ?? Infinity) > endsAt + slack) return
    try {
      await auth.refresh()
    } catch (error) {
      const { retryable, retryAfter = 0 } = toError(error)
      if (!retryable) return
      const delay = Math.max(retryAfter * 1000, fullJitter(ordinary, attempt, random))
      clock.setTimeout(() => void extend(given, endsAt, attempt + 1), delay)
    }
  }

  const send = <Type extends ClientFrame["type"]>(
    given: Link,
    type: Type,
    payload: ClientFrames[Type]["payload"],
    id?: number
  ) => given.outbox.send(JSON.stringify({ type, payload, ...(id === undefined ? {} : { id }) }))

  /** `answered` runs before the next frame is looked at, the promise's own listeners only later. */
  const ask = <Type extends ClientFrame["type"], A>(
    type: Type,
    payload: ClientFrames[Type]["payload"],
    answered: (frame: ServerFrame) => A
  ): Promise<A> => {
    const given = link
    if (given === undefined || state !== "open") {
      return Promise.reject(new RoomkeyError({ code: "not_connected", detail: "The socket is not open" }))
    }
    const id = ++lastId
    return new Promise<A>((resolve, reject) => {
      const over = () => {
        cancel()
        given.pending.delete(id)
      }
      const cancel = clock.setTimeout(() => {
        over()
        reject(new RoomkeyError({ code: "timeout", detail: `No answer to ${type}` }))
      }, requestTimeout)
      given.pending.set(id, {
        resolve: (frame) => {
          over()
          resolve(answered(frame))
        },
        reject: (error) => {
          over()
          reject(error)
        }
      })
      send(given, type, payload, id)
    })
  }

  const update = (id: string | undefined, change: Partial<Member>) => {
    const member = members.get(id ?? "")
    if (member === undefined) return
    const changed = { ...member, ...change }
    members.set(member.connection_id, changed)
    emit("user_updated", changed)
  }

  const enter = (destination: Place) => {
    heading = destination
    const payload = {
      channel_id: destination.channelId,
      ...(destination.role === undefined ? {} : { role: destination.role })
    } as ClientFrames["join_channel"]["payload"]
    return ask("join_channel", payload, () => [...members.values()])
  }

  const entered = (payload: Payload<"channel_users">) => {
    if (heading?.channelId === payload.channel_id) place = heading
    channelId = payload.channel_id
    members.clear()
    for (const user of payload.users) {
      const muted = user.muted || (user.connection_id === connectionId && place?.muted === true)
      members.set(user.connection_id, { ...user, muted })
    }
    emit("joined", { channel_id: payload.channel_id, users: [...members.values()] })
  }

  const removed = (code: string, from = channelId) => {
    if (from === undefined) return
    forgetChannel()
    emit("removed", { channel_id: from, code })
  }

  const rejoin = async (given: Link, back: Place, attempt = 0): Promise<void> => {
    const joining = enter(back)
    // Right behind, so that nobody is heard who was muted before.
    if (back.muted) ask("mute", { muted: true }, () => update(connectionId, { muted: true })).catch(() => {})
    try {
      await joining
    } catch (thrown) {
      const error = toError(thrown)
      if (given !== link || place !== back) return
      emit("error", error)
      if (given !== link || place !== back) return
      if (removals.includes(error.code) || error.code === "not_found") return removed(error.code, back.channelId)
      clock.setTimeout(
        () => void (given === link && place === back && rejoin(given, back, attempt + 1)),
        fullJitter(slower, attempt, random)
      )
    }
  }

  const beat = (given: Link) => {
    given.cancelTimer = clock.setTimeout(async () => {
      try {
        await realtime.ping()
        if (given === link) beat(given)
      } catch {
        lost(given, 1006, "no pong")
      }
    }, pingEvery)
  }

  /** The channel that one was taken out of, until the frame that says why. */
  let takenFrom: number | undefined

  const received = (given: Link, data: unknown) => {
    if (given !== link || typeof data !== "string") return
    const frame = JSON.parse(data) as ServerFrame
    const asked = "id" in frame ? given.pending.get(frame.id) : undefined
    switch (frame.type) {
      case "ready":
        given.cancelTimer()
        given.openedAt = clock.now()
        ;({ connection_id: connectionId, ice_servers: iceServers } = frame.payload)
        beat(given)
        setState("open")
        emit("ready", frame.payload)
        opening?.resolve()
        opening = undefined
        if (given === link && place !== undefined) void rejoin(given, place)
        return
      case "token_expiring":
        return void extend(given, clock.now() + frame.payload.expires_in * 1000)
      case "channel_users":
        entered(frame.payload)
        return asked?.resolve(frame)
      case "ok":
      case "pong":
        return asked?.resolve(frame)
      case "error": {
        const error = new RoomkeyError(frame.payload)
        if (asked !== undefined) return asked.reject(error)
        if (!removals.includes(error.code)) return emit("error", error)
        return removed(error.code, takenFrom ?? channelId)
      }
      case "user_joined":
      case "user_updated": {
        const before = members.get(frame.payload.connection_id)
        members.set(frame.payload.connection_id, frame.payload)
        // A role that a host gave counts for more than the one that was asked for.
        const own = frame.payload.connection_id === connectionId
        if (own && place !== undefined && before?.role !== frame.payload.role) place.role = undefined
        return emit(frame.type, frame.payload)
      }
      case "user_left":
        if (frame.payload.connection_id === connectionId) {
          takenFrom = channelId
          return forgetChannel()
        }
        members.delete(frame.payload.connection_id)
        return emit("user_left", frame.payload)
      case "webrtc_offer":
        return emit("webrtc_offer", frame.payload)
      case "webrtc_answer":
        return emit("webrtc_answer", frame.payload)
      case "ice_candidate":
        return emit("ice_candidate", frame.payload)
    }
  }

  const realtime: Realtime = {
    get state() {
      return state
    },
    get connectionId() {
      return connectionId
    },
    get iceServers() {
      return iceServers
    },
    get channelId() {
      return channelId
    },
    members,
    connect: () => {
      if (state === "open") return Promise.resolve()
      opening ??= Promise.withResolvers<void>()
      const { promise } = opening
      // The events tell it too: who does not wait for the promise need not handle it.
      promise.catch(() => {})
      if (state === "idle" || state === "closed") unsubscribe = auth.onChange(sessionChanged)
      cancelWait()
      if (state !== "connecting") void open()
      return promise
    },
    close: () => finish(new RoomkeyError({ code: "closed", detail: "Closed by this side" })),
    join: (id, role) => enter({ channelId: id, role, muted: false }),
    leave: async () => {
      place = heading = undefined
      if (state === "open") {
        await ask("leave_channel", {}, () => undefined).catch((error) => {
          if (!["not_in_channel", "disconnected"].includes(toError(error).code)) throw error
        })
      }
      if (place === undefined) forgetChannel()
    },
    mute: (muted, whose) =>
      ask("mute", { muted, ...(whose === undefined ? {} : { connection_id: whose }) }, () => {
        if (whose !== undefined && whose !== connectionId) return
        if (place !== undefined) place.muted = muted
        update(connectionId, muted ? { muted, speaking: false } : { muted })
      }),
    speaking: (speaking) => {
      if (link === undefined || state !== "open") return
      send(link, "speaking", { speaking })
      if (members.get(connectionId ?? "")?.muted === false) update(connectionId, { speaking })
    },
    setRole: (whose, role) =>
      ask("set_role", { connection_id: whose, role }, () => {
        if (whose === connectionId) update(connectionId, { role })
      }),
    remove: (whose) => ask("remove_member", { connection_id: whose }, () => undefined),
    sendOffer: (to, sdp) => ask("webrtc_offer", { to, sdp }, () => undefined),
    sendAnswer: (to, sdp) => ask("webrtc_answer", { to, sdp }, () => undefined),
    sendCandidate: (to, candidate) => {
      if (link !== undefined && state === "open") send(link, "ice_candidate", { to, candidate })
    },
    ping: () => {
      const sent = clock.now()
      return ask("ping", {}, () => clock.now() - sent)
    },
    on: (event, listener) => {
      const ofEvent = listeners.get(event) ?? new Set()
      listeners.set(event, ofEvent)
      const own = (value: never) => listener(value)
      ofEvent.add(own)
      return () => void ofEvent.delete(own)
    }
  }
  return realtime
}
