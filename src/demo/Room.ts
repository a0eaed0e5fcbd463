/// <reference lib="dom" />
// One stay in one room: the microphone, who hears it, and what the server last said of both. Nothing leaves the
// microphone unless its owner, the host and the role all let it.
import { type Realtime, RoomkeyError } from "../client/index.ts"
import type { Member } from "./MemberList.ts"
import { Mesh, type PeerStats, type Signals } from "./Mesh.ts"
import { openMicrophone } from "./Microphone.ts"
import { Speaking } from "./Speaking.ts"
import { explain } from "./Texts.ts"

export interface RoomView {
  /** Something that the page shows has changed. */
  readonly changed: () => void
  /** For who does not see the list change. */
  readonly announce: (text: string) => void
  /** What somebody has to know. */
  readonly notify: (text: string) => void
  /** The room was left against one's will. */
  readonly removed: (code: string) => void
  /** Sound waits for a touch of the page. */
  readonly soundBlocked: () => void
  /** Where the audio elements go. */
  readonly audio: HTMLElement
}

/** The answer of `GET /api/ice-servers`. */
export interface IceServers {
  readonly ice_servers: Array<RTCIceServer>
  /** Seconds; `null` for ever. */
  readonly expires_in: number | null
}

const retryMillis = 15_000

const isRefused = (error: unknown): boolean => error instanceof RoomkeyError && error.code === "not_allowed"

/** An answer that takes back what it promised to send. */
const receiveOnly = (sdp: string): string =>
  sdp.replace(/^a=sendrecv$/gm, "a=recvonly").replace(/^a=sendonly$/gm, "a=inactive")

export class Room {
  readonly #realtime: Realtime
  readonly #view: RoomView
  readonly #readIceServers: () => Promise<IceServers>
  #iceTimer: ReturnType<typeof setTimeout> | undefined
  readonly #stops: ReadonlyArray<() => void>
  #mesh: Mesh | undefined
  #track: MediaStreamTrack | null = null
  #speaking: Speaking | undefined
  #wantsMute = false
  /** Asked for no more than to listen: then no host can give more. */
  #choseToListen = false
  #isAsking = false
  /** A guest where only speakers speak; the server says so only when one tries. */
  #isRefused = false
  #closed = false
  /** One's own member as it was shown last, to tell what others have changed. */
  #before: Member | undefined

  constructor(realtime: Realtime, readIceServers: () => Promise<IceServers>, view: RoomView) {
    this.#realtime = realtime
    this.#readIceServers = readIceServers
    this.#view = view
    const swallow = () => undefined
    this.#stops = [
      realtime.on("joined", () => this.#joined()),
      realtime.on("user_joined", (member) => {
        this.#mesh?.add(member.connection_id)
        view.announce(`${member.username} joined`)
        view.changed()
      }),
      realtime.on("user_left", (member) => {
        this.#mesh?.remove(member.connection_id)
        view.announce(`${member.username} left`)
        view.changed()
      }),
      realtime.on("user_updated", (member) => {
        if (member.connection_id === realtime.connectionId) this.#ownChanged(member)
        view.changed()
      }),
      realtime.on("removed", ({ code }) => view.removed(code)),
      // What comes from a member who has just left, or does not fit, concerns only the connection to that member.
      realtime.on("webrtc_offer", ({ from, sdp }) => {
        this.#mesh?.takeDescription(from, { type: "offer", sdp }).catch(swallow)
      }),
      realtime.on("webrtc_answer", ({ from, sdp }) => {
        this.#mesh?.takeDescription(from, { type: "answer", sdp }).catch(swallow)
      }),
      realtime.on("ice_candidate", ({ candidate, from }) => {
        this.#mesh?.takeCandidate(from, candidate).catch(swallow)
      })
    ]
  }

  /** Oneself; while disconnected, as last heard: the others still are. */
  get own(): Member | undefined {
    return this.#realtime.members.get(this.#realtime.connectionId ?? "") ?? this.#before
  }

  get maySpeak(): boolean {
    return this.own !== undefined && this.own.role !== "listener" && !this.#isRefused
  }

  /** Whether one listens only because one wanted to. */
  get mayAskToSpeak(): boolean {
    return this.own?.role === "listener" && this.#choseToListen
  }

  get muted(): boolean {
    return this.#wantsMute || this.own?.muted === true
  }

  /** Muted by somebody else, who alone can undo it. */
  get mutedByHost(): boolean {
    return this.own?.muted === true && !this.#wantsMute
  }

  async enter(channelId: number, listenOnly: boolean): Promise<void> {
    if (!listenOnly) {
      await this.#open("so you joined as a listener")
    }
    await this.#realtime.connect()
    if (this.#closed) return
    this.#choseToListen = this.#track === null
    await this.#realtime.join(channelId, this.#choseToListen ? "listener" : undefined)
  }

  async speak(): Promise<void> {
    const { channelId } = this.#realtime
    if (!this.mayAskToSpeak || channelId === undefined || !(await this.#open("so you cannot speak"))) return
    this.#isAsking = true
    this.#wantsMute = false
    try {
      await this.#realtime.join(channelId)
      this.#choseToListen = false
      if (this.own?.role === "listener") this.#view.notify("The host lets you listen only.")
    } finally {
      this.#isAsking = false
      this.#tune()
      this.#view.changed()
    }
  }

  async leave(): Promise<void> {
    this.close()
    await this.#realtime.leave()
  }

  /** Lets go of the microphone and of everybody, without a word to the server. */
  close(): void {
    this.#closed = true
    for (const stop of this.#stops) stop()
    clearTimeout(this.#iceTimer)
    this.#mesh?.close()
    this.#mesh = undefined
    this.#release()
  }

  /** Silence begins at once; speech begins when the server has agreed. */
  async toggleMute(): Promise<void> {
    if (!this.maySpeak) return
    if (!this.muted) {
      this.#wantsMute = true
      this.#tune()
      this.#view.changed()
      await this.#tellMuted()
      return
    }
    if (this.mutedByHost) return this.#view.notify("The host muted you. Only the host can undo that.")
    if (this.#track === null && !(await this.#open("so you cannot speak"))) return
    await this.#realtime.mute(false)
    this.#wantsMute = false
    this.#tune()
    this.#view.changed()
    if (this.mutedByHost) this.#view.notify("The host muted you. Only the host can undo that.")
  }

  play(): Promise<void> {
    return this.#mesh?.play() ?? Promise.resolve()
  }

  async stats(): Promise<ReadonlyArray<PeerStats>> {
    return await this.#mesh?.stats() ?? []
  }

  /** Without a connection, the rejoin tells it. */
  async #tellMuted(): Promise<void> {
    if (this.#realtime.state === "open" && this.own?.muted === false) await this.#realtime.mute(true)
  }

  async #open(consequence: string): Promise<boolean> {
    const { reason, track } = await openMicrophone()
    if (this.#closed) {
      track?.stop()
      return false
    }
    if (track === null) this.#view.notify(`${reason}, ${consequence}.`)
    track?.addEventListener("ended", () => {
      this.#release()
      this.#tune()
      this.#view.notify("Your microphone is gone.")
      this.#view.changed()
    })
    this.#track = track
    return track !== null
  }

  /** Connection ids are new after a reconnect, and nothing of the old mesh is of use then. */
  #joined(): void {
    const { connectionId, iceServers, members } = this.#realtime
    if (connectionId === undefined) return
    if (this.#mesh?.ownId !== connectionId) {
      this.#mesh?.close()
      this.#mesh = new Mesh(connectionId, iceServers, {
        signals: this.#signals(),
        audio: this.#view.audio,
        onBlocked: this.#view.soundBlocked
      })
      void this.#keepIceServers(this.#mesh)
    }
    const { own } = this
    if (own?.role !== this.#before?.role) this.#isRefused = false
    this.#before = own
    this.#tune()
    for (const id of members.keys()) this.#mesh.add(id)
    // Muted while there was nobody to tell.
    if (this.#wantsMute) this.#do(this.#tellMuted())
    this.#view.changed()
  }

  /** Reads them again at half of their life, as long as the mesh is in use. */
  async #keepIceServers(mesh: Mesh): Promise<void> {
    clearTimeout(this.#iceTimer)
    let next: number | null = retryMillis
    try {
      const { expires_in, ice_servers } = await this.#readIceServers()
      next = expires_in === null ? null : expires_in * 500
      if (mesh === this.#mesh) mesh.relayBy(ice_servers)
    } catch {
      // What is known goes on for now.
    }
    if (mesh !== this.#mesh || next === null) return
    this.#iceTimer = setTimeout(() => void this.#keepIceServers(mesh), next)
  }

  #signals(): Signals {
    const realtime = this.#realtime
    return {
      sendOffer: async (to, sdp) => {
        try {
          await realtime.sendOffer(to, sdp)
        } catch (error) {
          if (isRefused(error)) this.#refused()
          throw error
        }
      },
      sendAnswer: async (to, sdp) => {
        try {
          await realtime.sendAnswer(to, sdp)
        } catch (error) {
          if (!isRefused(error)) throw error
          // The other side waits for an answer: this one, and then an offer that says the same.
          this.#refused()
          await realtime.sendAnswer(to, receiveOnly(sdp))
        }
      },
      sendCandidate: (to, candidate) => realtime.sendCandidate(to, candidate)
    }
  }

  #refused(): void {
    if (this.#isRefused || !this.maySpeak) return
    this.#isRefused = true
    this.#view.notify("Only speakers may talk in this room.")
    this.#tune()
    this.#view.changed()
  }

  #ownChanged(own: Member): void {
    const before = this.#before
    this.#before = own
    if (own.role !== before?.role) this.#roleChanged(own, before)
    else if (own.muted !== before?.muted && !this.#wantsMute) {
      this.#view.notify(own.muted ? "The host muted you." : "The host unmuted you.")
    }
    this.#tune()
  }

  #roleChanged(own: Member, before: Member | undefined): void {
    const wasListening = before?.role === "listener" || this.#isRefused
    this.#isRefused = false
    if (own.role === "listener") this.#view.notify("The host made you a listener.")
    else if (wasListening && !this.#isAsking) {
      this.#view.notify("The host made you a speaker. Unmute yourself to speak.")
    }
  }

  /** Makes what is sent agree with what may be. */
  #tune(): void {
    // Who may not speak has no open microphone; so who is let speak by others is muted, until that microphone is opened.
    if (this.own !== undefined && !this.maySpeak && !this.#isAsking) this.#release()
    const track = this.#track
    if (track === null && this.maySpeak && !this.#wantsMute) {
      this.#wantsMute = true
      this.#do(this.#tellMuted())
    }
    if (track !== null) {
      track.enabled = !this.muted
      this.#speaking ??= new Speaking(track, (speaking) => this.#realtime.speaking(speaking))
    }
    if (this.#mesh !== undefined) this.#do(this.#mesh.send(this.maySpeak ? track : null))
  }

  #release(): void {
    this.#speaking?.stop()
    this.#speaking = undefined
    this.#track?.stop()
    this.#track = null
  }

  #do(promise: Promise<unknown>): void {
    promise.catch((error: unknown) => this.#view.notify(explain(error)))
  }
}
