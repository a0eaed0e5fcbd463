// The signalling socket, kept open: it comes back as each close asks for, rejoins its channel, and knows who is in it.
import type { ClientFrame, ClientFrames, ServerFrame } from "../api/Frames.ts"
import type { Member } from "../api/Member.ts"
import type { ChannelId } from "../domain/Ids.ts"
import type { Role } from "../domain/Role.ts"
import type { Auth, Session } from "./Auth.ts"
import { afterClose, type Backoff, fullJitter, ordinary, restartPause, slower, slowest } from "./Backoff.ts"
import { RoomkeyError, signedOut, toError } from "./Errors.ts"
import { Link } from "./Link.ts"
import { type Clock, type Socket, type SocketConstructor, systemClock } from "./Platform.ts"
import { isRemoval, type Place, Room } from "./Room.ts"

export type Payload<Type extends ServerFrame["type"]> = Extract<ServerFrame, { readonly type: Type }>["payload"]

/** An `RTCIceCandidate`, its `toJSON()`, or its text alone; `null` when there are no more. */
export type Candidate = string | null | {
  readonly candidate?: string | undefined
  readonly sdpMid?: string | null | undefined
  readonly sdpMLineIndex?: number | null | undefined
  readonly usernameFragment?: string | null | undefined
}

/** As `RTCPeerConnection.addIceCandidate` takes it. */
export type ReceivedCandidate = Exclude<Payload<"ice_candidate">["candidate"], string>

/** An `RTCIceServer`. */
export interface IceServer {
  urls: Array<string>
  username?: string
  credential?: string
}

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
  readonly ice_candidate: { readonly from: string; readonly to: string; readonly candidate: ReceivedCandidate }
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
  /** For `RTCPeerConnection`, as of `ready`; later than their credentials last, ask `GET /api/ice-servers`. */
  readonly iceServers: Array<IceServer>
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
   *   await realtime.sendOffer(connection_id, peer.localDescription.sdp).catch(({ code }) => console.log(code))
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
   *   await realtime.sendAnswer(from, peer.localDescription.sdp).catch(({ code }) => console.log(code))
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

/** Milliseconds by which two clocks may tell the end of the same token. */
const slack = 60_000

/** A candidate that does not say to which media section it belongs, which a browser refuses, belongs to the first. */
const toInit = (candidate: Candidate): ReceivedCandidate =>
  (typeof candidate === "string" ? { candidate, sdpMLineIndex: 0 } : candidate) as ReceivedCandidate

const closedWith = (code: number, reason: string) =>
  new RoomkeyError({ code: reason === "" ? "closed" : reason, detail: `The server closed the socket with ${code}` })

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
  let state: RealtimeState = "idle"
  let link: Link | undefined
  let sessionId: string | undefined
  let iceServers: Array<IceServer> = []
  let attempts = 0
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

  const room = new Room(emit)

  const setState = (next: RealtimeState) => {
    if (state === next) return
    state = next
    emit("state", next)
  }

  const release = () => {
    turn++
    cancelWait()
    link?.end()
    link = room.self = undefined
  }

  const finish = (why: RoomkeyError) => {
    release()
    unsubscribe()
    room.forget()
    attempts = 0
    sessionId = undefined
    opening?.reject(why)
    opening = undefined
    setState("closed")
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
    release()
    room.forget()
    void open()
  }

  const wait = (milliseconds: number, then: () => unknown = open) => {
    turn++
    cancelWait = clock.setTimeout(then, milliseconds)
    setState("waiting")
  }

  const backOff = (backoff: Backoff, then?: () => unknown, atLeast = 0) =>
    wait(Math.max(atLeast * 1000, fullJitter(backoff, attempts++, random)), then)

  /** Asks about the session, goes on with `then`, and asks `again` later if it could not be told or was refused. */
  const consult = async <A>(question: () => Promise<A>, then: (answer: A) => void, again: () => unknown) => {
    const mine = ++turn
    setState("connecting")
    // A listener may have decided otherwise.
    if (turn !== mine) return
    try {
      const answer = await question()
      if (turn === mine) then(answer)
    } catch (thrown) {
      // Where that ended the session, `sessionChanged` has done the rest.
      if (turn !== mine) return
      const error = toError(thrown)
      if (auth.session === null) return signOut(error.code)
      emit("error", error)
      if (turn === mine) backOff(error.retryable ? ordinary : slowest, again, error.retryAfter)
    }
  }

  const connectWith = (token: string) => {
    sessionId = auth.session?.id
    const url = `${auth.baseUrl.replace(/^http/, "ws")}/ws`
    let socket: Socket
    try {
      socket = new webSocket(url, ["roomkey.v1", `roomkey.bearer.${token}`])
    } catch {
      // What was thrown may quote the token.
      return stop(new RoomkeyError({ code: "unexpected", detail: `No WebSocket can be made for ${url}` }))
    }
    const own = new Link(socket, {
      clock,
      requestTimeout,
      pingEvery,
      received: (frame) => received(own, frame),
      lost: (code, reason) => lost(own, code, reason)
    })
    link = own
  }

  const open = (): Promise<void> => consult(auth.token, connectWith, open)

  /** A refused handshake does not show why: an ordinary call does, and refreshes or signs out as it asks for. */
  const probe = () => consult(() => auth.call("GET", "/api/me"), () => backOff(ordinary), open)

  const renew = (): Promise<void> => consult(() => auth.refresh(), connectWith, renew)

  const lost = ({ openedAt }: Link, code: number, reason: string) => {
    const next = openedAt === undefined && code === 1006 ? "probe" : afterClose(code, reason)
    if (openedAt !== undefined && clock.now() - openedAt >= stableAfter) attempts = 0
    release()
    const mine = turn
    emit("closed", { code, reason, reconnects: next !== "stop" && next !== "sign_out" })
    if (next === "suspended" && turn === mine) emit("error", closedWith(code, reason))
    if (turn !== mine) return
    switch (next) {
      case "probe":
        return void probe()
      case "refresh":
        // At once, but not again and again.
        if (attempts > 0) return backOff(ordinary, renew)
        attempts++
        return void renew()
      case "backoff":
        return backOff(ordinary)
      case "slow":
        return backOff(slower)
      case "suspended":
        return backOff(slowest)
      case "pause":
        return wait(random() * restartPause)
      case "stop":
        return stop(closedWith(code, reason))
      case "sign_out":
        auth.forget(reason)
        // Nobody is told when another tab was first.
        if (turn === mine) signOut(reason)
    }
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

  const notConnected = () =>
    Promise.reject(new RoomkeyError({ code: "not_connected", detail: "The socket is not open" }))

  const ask = <Type extends ClientFrame["type"], A>(
    type: Type,
    payload: ClientFrames[Type]["payload"],
    answered: () => A
  ): Promise<A> => link?.isOpen === true ? link.ask(type, payload, answered) : notConnected()

  const enter = (place: Place) => {
    room.heading = place
    const { channelId, role } = place
    const payload = { channel_id: channelId as ChannelId, ...(role === undefined ? {} : { role }) }
    return ask("join_channel", payload, () => [...room.members.values()])
  }

  const rejoin = async (given: Link, place: Place, attempt = 0): Promise<void> => {
    const stillWanted = () => given === link && room.place === place
    if (!stillWanted()) return
    const joining = enter(place)
    // Right behind, so that nobody is heard who was muted before.
    if (place.muted) ask("mute", { muted: true }, () => room.muted(true)).catch(() => {})
    try {
      await joining
    } catch (thrown) {
      const error = toError(thrown)
      if (!stillWanted()) return
      if (isRemoval(error.code) || error.code === "not_found") return room.removed(error.code)
      emit("error", error)
      clock.setTimeout(() => void rejoin(given, place, attempt + 1), fullJitter(slower, attempt, random))
    }
  }

  const received = (given: Link, frame: ServerFrame) => {
    switch (frame.type) {
      case "ready":
        room.self = frame.payload.connection_id
        iceServers = frame.payload.ice_servers as Array<IceServer>
        setState("open")
        emit("ready", frame.payload)
        opening?.resolve()
        opening = undefined
        return room.place === undefined ? undefined : void rejoin(given, room.place)
      case "token_expiring":
        return void extend(given, clock.now() + frame.payload.expires_in * 1000)
      case "channel_users":
        return room.entered(frame.payload)
      case "error":
        if (frame.id === undefined && isRemoval(frame.payload.code)) return room.removed(frame.payload.code)
        return emit("error", new RoomkeyError(frame.payload))
      case "user_joined":
      case "user_updated":
        return room.changed(frame.type, frame.payload)
      case "user_left":
        return room.left(frame.payload)
      case "webrtc_offer":
        return emit("webrtc_offer", frame.payload)
      case "webrtc_answer":
        return emit("webrtc_answer", frame.payload)
      case "ice_candidate":
        return emit("ice_candidate", { ...frame.payload, candidate: toInit(frame.payload.candidate) })
    }
  }

  return {
    get state() {
      return state
    },
    get connectionId() {
      return room.self
    },
    get iceServers() {
      return iceServers
    },
    get channelId() {
      return room.channelId
    },
    members: room.members,
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
    join: (channelId, role) => enter({ channelId, role, muted: false }),
    leave: async () => {
      room.place = room.heading = undefined
      if (link?.isOpen === true) {
        await ask("leave_channel", {}, () => undefined).catch((error) => {
          if (!["not_in_channel", "disconnected"].includes(toError(error).code)) throw error
        })
      }
      if (room.heading === undefined) room.forget()
    },
    mute: (muted, whose) =>
      ask("mute", { muted, ...(whose === undefined ? {} : { connection_id: whose }) }, () => {
        if (whose === undefined || whose === room.self) room.muted(muted)
      }),
    speaking: (speaking) => {
      if (link?.isOpen !== true) return
      link.send("speaking", { speaking })
      if (room.members.get(room.self ?? "")?.muted === false) room.update({ speaking })
    },
    setRole: (whose, role) =>
      ask("set_role", { connection_id: whose, role }, () => {
        if (whose === room.self) room.update({ role })
      }),
    remove: (whose) => ask("remove_member", { connection_id: whose }, () => undefined),
    sendOffer: (to, sdp) => ask("webrtc_offer", { to, sdp }, () => undefined),
    sendAnswer: (to, sdp) => ask("webrtc_answer", { to, sdp }, () => undefined),
    sendCandidate: (to, candidate) => {
      if (link?.isOpen === true) link.send("ice_candidate", { to, candidate: toInit(candidate) })
    },
    ping: () => link?.isOpen === true ? link.ping() : notConnected(),
    on: (event, listener) => {
      const ofEvent = listeners.get(event) ?? new Set()
      listeners.set(event, ofEvent)
      const own = (value: never) => listener(value)
      ofEvent.add(own)
      return () => void ofEvent.delete(own)
    }
  }
}
