// People in a voice room of the real service, as their apps see it.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import {
  type Auth,
  createRealtime,
  type Realtime,
  type RealtimeEvents,
  RoomkeyError,
  type SocketConstructor
} from "../../src/client/index.ts"
import * as Server from "../support/Server.ts"
import { makeTenant } from "./Support.ts"

const next = <Event extends keyof RealtimeEvents>(realtime: Realtime, event: Event) =>
  new Promise<RealtimeEvents[Event]>((resolve) => {
    const stop = realtime.on(event, (value) => {
      stop()
      resolve(value)
    })
  })

/** A user with a socket that the test can break. */
const person = (auth: Auth, tokens: Parameters<Auth["adopt"]>[0]) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      auth.adopt(tokens)
      const sockets: Array<WebSocket> = []
      const webSocket = class extends WebSocket {
        constructor(url: string, protocols: Array<string>) {
          super(url, protocols)
          sockets.push(this)
        }
      } as SocketConstructor
      const realtime = createRealtime(auth, { webSocket, random: () => 0 })
      await realtime.connect()
      return { auth, realtime, breaks: () => sockets.at(-1)!.close() }
    }),
    ({ realtime }) => Effect.sync(realtime.close)
  )

const makeRoom = Effect.gen(function* () {
  const tenant = yield* makeTenant
  const signIn = (username: string) =>
    Effect.flatMap(Server.autoAuth(tenant.apiKey, { username }), ({ body }) => person(tenant.auth(), body))
  const host = yield* signIn("host")
  const guest = yield* signIn("guest")
  const channel = yield* Effect.promise(() =>
    host.auth.call<{ id: number }>("POST", "/api/channels", { name: "Lobby" })
  )
  yield* Effect.promise(() => host.realtime.join(channel.id))
  const came = next(host.realtime, "user_joined")
  const members = yield* Effect.promise(() => guest.realtime.join(channel.id))
  assert.deepEqual(members.map(({ username }) => username).sort(), ["guest", "host"])
  assert.strictEqual((yield* Effect.promise(() => came)).connection_id, guest.realtime.connectionId)
  return { apiKey: tenant.apiKey, channelId: channel.id, guest, host }
})

const own = ({ connectionId, members }: Realtime) => members.get(connectionId ?? "")

layer(Server.layer(), { excludeTestServices: true, timeout: "60 seconds" })("Room", (it) => {
  it.effect("shows mute, speech and roles to oneself and to the others", () =>
    Effect.gen(function* () {
      const { guest: { realtime: guest }, host: { realtime: host } } = yield* makeRoom
      yield* Effect.promise(async () => {
        let heard = next(host, "user_updated")
        await guest.mute(true)
        assert.isTrue(own(guest)?.muted)
        assert.isTrue((await heard).muted)
        heard = next(host, "user_updated")
        await guest.mute(false)
        guest.speaking(true)
        assert.isTrue(own(guest)?.speaking)
        while (!(await heard).speaking) heard = next(host, "user_updated")
        assert.isTrue(host.members.get(guest.connectionId!)?.speaking)

        let told = next(guest, "user_updated")
        await host.setRole(guest.connectionId!, "listener")
        assert.strictEqual((await told).role, "listener")
        assert.strictEqual(own(guest)?.role, "listener")
        told = next(guest, "user_updated")
        await host.setRole(guest.connectionId!, "speaker")
        assert.strictEqual((await told).role, "speaker")
        told = next(guest, "user_updated")
        await host.mute(true, guest.connectionId)
        assert.isTrue((await told).muted)
        const error = await guest.mute(false).catch((error) => error)
        assert.instanceOf(error, RoomkeyError)
        assert.strictEqual(error.code, "not_allowed")
        assert.isTrue(own(guest)?.muted)
      })
    }))

  it.effect("carries offers, answers and candidates", () =>
    Effect.gen(function* () {
      const { guest: { realtime: guest }, host: { realtime: host } } = yield* makeRoom
      yield* Effect.promise(async () => {
        const offered = next(guest, "webrtc_offer")
        await host.sendOffer(guest.connectionId!, "v=0\r\n")
        const { from, sdp } = await offered
        assert.deepEqual([from, sdp], [host.connectionId, "v=0\r\n"])
        const answered = next(host, "webrtc_answer")
        await guest.sendAnswer(from, "v=0\r\n")
        assert.strictEqual((await answered).from, guest.connectionId)
        const candidate = next(host, "ice_candidate")
        guest.sendCandidate(from, { candidate: "candidate:1", sdpMid: "0" })
        assert.deepInclude(await candidate, { candidate: { candidate: "candidate:1", sdpMid: "0" } })
      })
    }))

  it.effect("is back in the channel, muted as before, after the connection broke", () =>
    Effect.gen(function* () {
      const { channelId, guest, host: { realtime: host } } = yield* makeRoom
      yield* Effect.promise(async () => {
        await guest.realtime.mute(true)
        const before = guest.realtime.connectionId
        const [left, came, joined] = [
          next(host, "user_left"),
          next(host, "user_joined"),
          next(guest.realtime, "joined")
        ]
        const muted = new Promise<void>((resolve) =>
          void host.on("user_updated", ({ connection_id, muted }) => connection_id !== before && muted && resolve())
        )
        guest.breaks()
        assert.strictEqual((await left).connection_id, before)
        assert.strictEqual((await joined).channel_id, channelId)
        assert.strictEqual((await came).connection_id, guest.realtime.connectionId)
        assert.notStrictEqual(guest.realtime.connectionId, before)
        await muted
        assert.isTrue(own(guest.realtime)?.muted)
      })
    }))

  it.effect("hears of its removal and of the channel's end, and does not come back", () =>
    Effect.gen(function* () {
      const { channelId, guest, host } = yield* makeRoom
      yield* Effect.promise(async () => {
        const removed = next(guest.realtime, "removed")
        await host.realtime.remove(guest.realtime.connectionId!)
        assert.deepEqual(await removed, { channel_id: channelId, code: "removed_from_channel" })
        assert.strictEqual(guest.realtime.members.size, 0)
        const refused = await guest.realtime.join(channelId).catch((error) => error)
        assert.strictEqual(refused.code, "removed_from_channel")
        assert.strictEqual(guest.realtime.state, "open")

        const gone = next(host.realtime, "removed")
        await host.auth.call("DELETE", `/api/channels/${channelId}`)
        assert.deepEqual(await gone, { channel_id: channelId, code: "channel_deleted" })
        const ready = next(host.realtime, "ready")
        host.breaks()
        await ready
        await host.realtime.ping()
        assert.isUndefined(host.realtime.channelId)
        await host.realtime.leave()
      })
    }))

  it.effect("goes into another channel, leaves it, and is signed out when the tenant ends the session", () =>
    Effect.gen(function* () {
      const { apiKey, guest, host } = yield* makeRoom
      const session = guest.auth.session!.id
      yield* Effect.promise(async () => {
        const other = await host.auth.call<{ id: number }>("POST", "/api/channels", { name: "Other" })
        const left = next(host.realtime, "user_left")
        const [member] = await guest.realtime.join(other.id, "listener")
        assert.strictEqual(member?.role, "listener")
        assert.strictEqual((await left).username, "guest")
        assert.strictEqual(guest.realtime.channelId, other.id)
        await guest.realtime.leave()
        assert.isUndefined(guest.realtime.channelId)
      })
      const closed = next(guest.realtime, "closed")
      const signedOut = next(guest.realtime, "signed_out")
      yield* Server.call("DELETE", `/api/tenant/sessions/${session}`, { bearer: apiKey })
      assert.include(yield* Effect.promise(() => closed), { code: 4401, reason: "session_revoked" })
      assert.deepEqual(yield* Effect.promise(() => signedOut), { code: "invalid_refresh_token" })
      assert.isNull(guest.auth.session)
    }))
})
