// People in voice rooms, over real sockets: each hears frames one by one, and says what it hears in the order it does.
import { assert } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { autoAuth, baseUrl, call } from "./Server.ts"
import * as World from "./World.ts"

// oxlint-disable-next-line typescript/no-explicit-any -- tests read frames as a client without types would
type Frame = any

export interface Person {
  readonly userId: number
  readonly sessionId: string
  readonly token: string
  readonly connectionId: string
  readonly ready: Frame
  readonly send: (type: string, payload?: object, id?: string | number) => Effect.Effect<void>
  /** The next frame of all, or the close. */
  readonly next: Effect.Effect<Frame>
  /** The next frame of a type; those before it are left out. */
  readonly hear: (type: string) => Effect.Effect<Frame>
  /** Sends with an id and waits for what answers it; frames before it are left out. */
  readonly ask: (type: string, payload?: object) => Effect.Effect<Frame>
  /** Everything heard before now: what is answered to a ping came after it. */
  readonly rest: Effect.Effect<ReadonlyArray<Frame>>
  readonly hangUp: Effect.Effect<void>
}

/** A tenant with a channel of its first user's. */
export const makeTenant = Effect.fn("makeTenant")(function* () {
  const { body } = yield* call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Voice" } })
  return { apiKey: body.api_key as string, appId: body.app_id as string, id: body.id as number }
})

export const makeChannel = (
  token: string,
  name = "Lobby"
): Effect.Effect<number, never, Effect.Services<typeof baseUrl>> =>
  Effect.map(call("POST", "/api/channels", { bearer: token, json: { name } }), ({ body }) => body.id)

let asked = 0

/** A socket on a session; `url` of whichever instance. */
export const connectWith = Effect.fn("connectWith")(function* (
  url: string,
  session: { readonly token: string; readonly user: { readonly id: number } }
) {
  const frames = yield* Queue.unbounded<Frame>()
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const socket = new WebSocket(`${url.replace("http", "ws")}/ws`, ["roomkey.v1", `roomkey.bearer.${session.token}`])
      socket.onmessage = ({ data }) => Queue.offerUnsafe(frames, JSON.parse(data))
      socket.onclose = ({ code, reason }) => Queue.offerUnsafe(frames, { type: "close", code, reason })
      return socket
    }),
    (socket) => Effect.sync(() => socket.close())
  )
  const next = Queue.take(frames)
  const hear = (type: string): Effect.Effect<Frame> =>
    Effect.repeat(next, { until: (frame) => frame.type === type || frame.type === "close" })
  const send = (type: string, payload?: object, id?: string | number) =>
    Effect.sync(() => socket.send(JSON.stringify({ type, payload, id })))
  const answer = (id: number): Effect.Effect<Frame> =>
    Effect.repeat(next, { until: (frame) => frame.id === id || frame.type === "close" })
  const ready = yield* hear("ready")
  return {
    userId: session.user.id,
    sessionId: ready.payload.session_id,
    token: session.token,
    connectionId: ready.payload.connection_id,
    ready,
    send,
    next,
    hear,
    ask: (type, payload) => {
      const id = ++asked
      return Effect.andThen(send(type, payload, id), answer(id))
    },
    rest: Effect.gen(function* () {
      const id = ++asked
      yield* send("ping", {}, id)
      const heard: Array<Frame> = []
      while (true) {
        const frame = yield* next
        if (frame.id === id || frame.type === "close") return heard
        heard.push(frame)
      }
    }),
    hangUp: Effect.sync(() => socket.close())
  } satisfies Person as Person
})

/** A user of the tenant, signed in and connected. */
export const connect = Effect.fn("connect")(function* (apiKey: string, username: string) {
  const { body } = yield* autoAuth(apiKey, { username })
  return yield* connectWith(yield* baseUrl, body)
})

/** A host with a channel, in it, and guests who are not. */
export const gathering = Effect.fnUntraced(function* (...guests: ReadonlyArray<string>) {
  const tenant = yield* makeTenant()
  const host = yield* connect(tenant.apiKey, "host")
  const channelId = yield* makeChannel(host.token)
  const joined = yield* host.ask("join_channel", { channel_id: channelId })
  assert.strictEqual(joined.type, "channel_users", JSON.stringify(joined))
  const people = yield* Effect.forEach(guests, (name) => connect(tenant.apiKey, name))
  const byTenant = (method: string, path: string, json?: unknown) =>
    call(method, `/api/tenant/channels/${channelId}${path}`, { bearer: tenant.apiKey, json })
  const enter = (person: Person, role?: string) =>
    person.ask("join_channel", { channel_id: channelId, ...(role === undefined ? {} : { role }) })
  return { tenant, channelId, host, people, byTenant, enter }
})
