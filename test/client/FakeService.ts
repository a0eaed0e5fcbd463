// A server that closes, refuses and keeps silent as a test says, over real sockets; and a session that only it knows.
import * as NodeWS from "@effect/platform-node/NodeWS"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import {
  createAuth,
  createRealtime,
  type Fetch,
  type Realtime,
  type RealtimeEvents,
  type RealtimeOptions
} from "../../src/client/index.ts"
import { countedFetch, ManualClock, refreshPath } from "./Support.ts"

/** What was put in and not taken yet, in order. */
export class Mailbox<A> {
  readonly #items: Array<A> = []
  readonly #takers: Array<(item: A) => void> = []

  put(item: A): void {
    const taker = this.#takers.shift()
    if (taker === undefined) this.#items.push(item)
    else taker(item)
  }

  take(): Promise<A> {
    const item = this.#items.shift()
    return item === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(item)
  }

  get size(): number {
    return this.#items.length
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests read frames as a server without types would
export type AnyFrame = any

export class Peer {
  readonly frames = new Mailbox<AnyFrame>()
  readonly url: string
  readonly token: string
  readonly #socket: InstanceType<typeof NodeWS.WebSocket>

  constructor(socket: InstanceType<typeof NodeWS.WebSocket>, url: string, protocols: string) {
    this.#socket = socket
    this.url = url
    this.token = /^roomkey\.v1, ?roomkey\.bearer\.([0-9a-f]{64})$/.exec(protocols)?.[1] ?? ""
    socket.on("message", (data: unknown) => this.frames.put(JSON.parse(String(data))))
  }

  send(type: string, payload: unknown = {}, id?: unknown): void {
    this.#socket.send(JSON.stringify({ type, payload, id }))
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason)
  }

  /** The network breaks. */
  cut(): void {
    this.#socket.terminate()
  }
}

export const self = "me"

/** Everything that was on its way has arrived. */
export const settled = async () => {
  for (let n = 0; n < 50; n++) await new Promise((resolve) => setImmediate(resolve))
}

export const member = (connection_id: string, fields: object = {}) => ({
  connection_id,
  user_id: 7,
  username: connection_id,
  custom_id: null,
  picture_url: null,
  metadata: null,
  role: "speaker",
  muted: false,
  speaking: false,
  ...fields
})

const pairOf = (session: number, n: number) => {
  const half = String(session).padStart(32, "a")
  return {
    token: half + String(n).padStart(32, "0"),
    refresh_token: half + String(n).padStart(32, "b"),
    expires_in: 3600
  }
}

export const makeService = async () => {
  const http = createServer()
  const peers = new Mailbox<Peer>()
  let refusals = 0
  const server = new NodeWS.WebSocketServer({
    server: http,
    handleProtocols: () => "roomkey.v1",
    // With a status on which no client tries again by itself, as Node's does on 401.
    verifyClient: (_: unknown, answer: (admitted: boolean, status?: number) => void) =>
      refusals === 0 ? answer(true) : answer(refusals-- === 0, 403)
  })
  server.on(
    "connection",
    (socket, request) => peers.put(new Peer(socket, request.url ?? "", request.headers["sec-websocket-protocol"] ?? ""))
  )
  http.listen(0, "127.0.0.1")
  await once(http, "listening")
  const baseUrl = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  let refreshes = 0
  const calls = countedFetch()
  const json = (body: unknown): ReturnType<Fetch> => Promise.resolve(new Response(JSON.stringify(body)))
  calls.failing = (path) => json(path === refreshPath ? pairOf(1, ++refreshes) : {})

  const client = (options: RealtimeOptions & { readonly signedIn?: boolean } = {}) => {
    const clock = new ManualClock()
    const auth = createAuth({ baseUrl, clock, fetch: calls.fetch })
    if (options.signedIn !== false) auth.adopt(pairOf(1, 0))
    const realtime = createRealtime(auth, { clock, random: () => 0.5, ...options })
    const heard = new Mailbox<readonly [string, unknown]>()
    const kinds: ReadonlyArray<keyof RealtimeEvents> = [
      "ready",
      "joined",
      "user_joined",
      "user_left",
      "user_updated",
      "webrtc_offer",
      "webrtc_answer",
      "ice_candidate",
      "error",
      "state",
      "closed",
      "removed",
      "signed_out"
    ]
    for (const kind of kinds) realtime.on(kind, (value) => heard.put([kind, value]))

    /** The next event of a kind; those before it are passed over. */
    const hear = async <Event extends keyof RealtimeEvents>(kind: Event): Promise<RealtimeEvents[Event]> => {
      for (;;) {
        const [event, value] = await heard.take()
        if (event === kind) return value as RealtimeEvents[Event]
      }
    }
    const until = async (state: Realtime["state"]) => {
      while (await hear("state") !== state);
    }
    /** The server's side of the next socket, let in. */
    const accept = async (): Promise<Peer> => {
      const peer = await peers.take()
      peer.send("ready", { connection_id: self, user: {}, session_id: "", expires_at: "", ice_servers: [{ urls: [] }] })
      await until("open")
      return peer
    }
    const connected = async (): Promise<Peer> => {
      void realtime.connect()
      return accept()
    }
    /** In channel 3 with `others`. */
    const joined = async (peer: Peer, ...others: ReadonlyArray<ReturnType<typeof member>>) => {
      const joining = realtime.join(3)
      const { id } = await peer.frames.take()
      peer.send("channel_users", { channel_id: 3, users: [member(self), ...others] }, id)
      await joining
      await hear("joined")
    }
    return { accept, auth, clock, connected, hear, heard, joined, realtime, until }
  }

  return {
    baseUrl,
    calls,
    client,
    pairOf,
    peers,
    get refreshes() {
      return refreshes
    },
    /** Refuses the next handshakes. */
    refuse: (handshakes: number) => {
      refusals = handshakes
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of server.clients) socket.terminate()
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    }
  }
}
