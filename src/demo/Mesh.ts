/// <reference lib="dom" />
// Everybody hears everybody: one RTCPeerConnection to each other member of the room, with one audio line in it, agreed
// on by the specification's "perfect negotiation". Of two members the one with the greater connection id makes the first
// offer and has its way when both offer at once.

type Candidate = Pick<RTCIceCandidate, "candidate" | "sdpMLineIndex" | "sdpMid" | "usernameFragment">

/** What a peer connection asks to be carried to another member. */
export interface Signals {
  readonly sendOffer: (to: string, sdp: string) => Promise<unknown>
  readonly sendAnswer: (to: string, sdp: string) => Promise<unknown>
  readonly sendCandidate: (to: string, candidate: Candidate) => void
}

export interface PeerStats {
  readonly connectionId: string
  readonly connectionState: RTCPeerConnectionState
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Of what is heard from the other side: it stands still while that side is silent. */
  readonly totalAudioEnergy: number
}

interface Settings {
  readonly signals: Signals
  /** Where the audio elements go. */
  readonly audio: HTMLElement
  /** The browser does not play sound before the page was touched. */
  readonly onBlocked: () => void
}

const configurationFor = (iceServers: Array<RTCIceServer>): RTCConfiguration => ({
  iceServers,
  bundlePolicy: "max-bundle"
})

class Peer {
  readonly #id: string
  readonly #connection: RTCPeerConnection
  readonly #polite: boolean
  readonly #settings: Settings
  readonly #player = document.createElement("audio")
  #track: MediaStreamTrack | null
  #makingOffer = false
  #takingAnswer = false
  #ignoringOffer = false

  constructor(
    id: string,
    polite: boolean,
    track: MediaStreamTrack | null,
    iceServers: Array<RTCIceServer>,
    settings: Settings
  ) {
    this.#id = id
    this.#polite = polite
    this.#track = track
    this.#settings = settings
    this.#player.autoplay = true
    settings.audio.append(this.#player)
    const connection = new RTCPeerConnection(configurationFor(iceServers))
    this.#connection = connection
    connection.addEventListener("negotiationneeded", () => void this.#offer())
    connection.addEventListener("icecandidate", ({ candidate }) => this.#found(candidate))
    connection.addEventListener("track", ({ track }) => this.#hear(track))
    connection.addEventListener("connectionstatechange", () => {
      if (connection.connectionState === "failed") connection.restartIce()
    })
    // The polite side takes over the line that the other side offers: were both to add one, there would be two.
    if (!polite) connection.addTransceiver(track ?? "audio", { direction: directionFor(track) })
  }

  async take(description: RTCSessionDescriptionInit): Promise<void> {
    const connection = this.#connection
    // An answer that is just being taken leaves the connection stable before the offer's turn comes.
    const ready = !this.#makingOffer && (connection.signalingState === "stable" || this.#takingAnswer)
    this.#ignoringOffer = !this.#polite && description.type === "offer" && !ready
    if (this.#ignoringOffer) return
    this.#takingAnswer = description.type === "answer"
    await connection.setRemoteDescription(description).finally(() => {
      this.#takingAnswer = false
    })
    if (description.type !== "offer") return
    await this.send(this.#track)
    await connection.setLocalDescription()
    await this.#settings.signals.sendAnswer(this.#id, connection.localDescription?.sdp ?? "")
  }

  async addCandidate(candidate: RTCIceCandidateInit | null): Promise<void> {
    try {
      await this.#connection.addIceCandidate(candidate ?? undefined)
    } catch (error) {
      // It belongs to the offer that was ignored.
      if (!this.#ignoringOffer) throw error
    }
  }

  /** Sends `track`, or nothing. Where that changes the direction the browser asks for a negotiation by itself. */
  async send(track: MediaStreamTrack | null): Promise<void> {
    this.#track = track
    const [line] = this.#connection.getTransceivers()
    if (line === undefined) return
    line.direction = directionFor(track)
    await line.sender.replaceTrack(track)
  }

  /** For when the way to the other side has to be found anew. */
  relayBy(iceServers: Array<RTCIceServer>): void {
    this.#connection.setConfiguration(configurationFor(iceServers))
  }

  async play(): Promise<void> {
    await this.#player.play()
  }

  async stats(): Promise<PeerStats> {
    const found = { bytesReceived: 0, bytesSent: 0, totalAudioEnergy: 0 }
    for (const report of (await this.#connection.getStats()).values()) {
      if (report.type === "inbound-rtp") {
        found.bytesReceived += report.bytesReceived ?? 0
        found.totalAudioEnergy += report.totalAudioEnergy ?? 0
      } else if (report.type === "outbound-rtp") found.bytesSent += report.bytesSent ?? 0
    }
    return { connectionId: this.#id, connectionState: this.#connection.connectionState, ...found }
  }

  close(): void {
    this.#connection.close()
    this.#player.srcObject = null
    this.#player.remove()
  }

  async #offer(): Promise<void> {
    const connection = this.#connection
    try {
      this.#makingOffer = true
      await connection.setLocalDescription()
      await this.#settings.signals.sendOffer(this.#id, connection.localDescription?.sdp ?? "")
    } catch {
      // Not carried, because the member is gone or this side may not speak any more. Taken back, so that what follows
      // from either can be negotiated.
      if (connection.signalingState === "have-local-offer") await connection.setLocalDescription({ type: "rollback" })
    } finally {
      this.#makingOffer = false
    }
  }

  #found(candidate: RTCIceCandidate | null): void {
    // Browsers open TCP to relays only, never to each other.
    if (candidate === null || candidate.protocol === "tcp") return
    const { candidate: text, sdpMLineIndex, sdpMid, usernameFragment } = candidate
    this.#settings.signals.sendCandidate(this.#id, { candidate: text, sdpMLineIndex, sdpMid, usernameFragment })
  }

  #hear(track: MediaStreamTrack): void {
    this.#player.srcObject = new MediaStream([track])
    this.#player.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === "NotAllowedError") this.#settings.onBlocked()
    })
  }
}

const directionFor = (track: MediaStreamTrack | null): RTCRtpTransceiverDirection =>
  track === null ? "recvonly" : "sendrecv"

/** The peer connections of one stay in one room. Connection ids are new after every reconnect, and so is the mesh. */
export class Mesh {
  readonly #peers = new Map<string, Peer>()
  readonly ownId: string
  readonly #settings: Settings
  #track: MediaStreamTrack | null = null
  #iceServers: Array<RTCIceServer>

  constructor(ownId: string, iceServers: Array<RTCIceServer>, settings: Settings) {
    this.ownId = ownId
    this.#iceServers = iceServers
    this.#settings = settings
  }

  add(id: string): void {
    if (id === this.ownId || this.#peers.has(id)) return
    this.#peers.set(id, new Peer(id, this.ownId < id, this.#track, this.#iceServers, this.#settings))
  }

  remove(id: string): void {
    this.#peers.get(id)?.close()
    this.#peers.delete(id)
  }

  async takeDescription(from: string, description: RTCSessionDescriptionInit): Promise<void> {
    await this.#peers.get(from)?.take(description)
  }

  async takeCandidate(from: string, candidate: RTCIceCandidateInit | string | null): Promise<void> {
    // One line, so a candidate without its place belongs to the first.
    await this.#peers.get(from)?.addCandidate(
      typeof candidate === "string" ? { candidate, sdpMLineIndex: 0 } : candidate
    )
  }

  /** Credentials for relays end; who comes later needs newer ones. */
  relayBy(iceServers: Array<RTCIceServer>): void {
    this.#iceServers = iceServers
    for (const peer of this.#peers.values()) peer.relayBy(iceServers)
  }

  /** Sends `track` to everybody, or, with `null`, only listens. */
  async send(track: MediaStreamTrack | null): Promise<void> {
    this.#track = track
    await Promise.all([...this.#peers.values()].map((peer) => peer.send(track)))
  }

  async play(): Promise<void> {
    await Promise.all([...this.#peers.values()].map((peer) => peer.play()))
  }

  stats(): Promise<ReadonlyArray<PeerStats>> {
    return Promise.all([...this.#peers.values()].map((peer) => peer.stats()))
  }

  close(): void {
    for (const id of this.#peers.keys()) this.remove(id)
  }
}
