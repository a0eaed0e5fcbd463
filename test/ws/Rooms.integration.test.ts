// Voice rooms as their members meet them: real sockets, the real service, the real database.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Room from "../support/Room.ts"
import * as Server from "../support/Server.ts"

const receiveOnly =
  "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\n"
const sending = receiveOnly.replace("recvonly", "sendrecv")

const names = (frame: { readonly payload: { readonly users: ReadonlyArray<{ readonly username: string }> } }) =>
  frame.payload.users.map(({ username }) => username).toSorted()

layer(Server.layer(), { excludeTestServices: true, timeout: "60 seconds" })("Voice rooms", (it) => {
  it.effect("tells who joins everybody, itself included, and the others who joined", () =>
    Effect.gen(function* () {
      const { channelId, enter, host, people: [ann] } = yield* Room.gathering("ann")
      const answer = yield* enter(ann!)
      assert.strictEqual(answer.payload.channel_id, channelId)
      assert.deepStrictEqual(names(answer), ["ann", "host"])
      const member = {
        connection_id: ann!.connectionId,
        user_id: ann!.userId,
        username: "ann",
        custom_id: null,
        picture_url: null,
        metadata: null,
        role: "guest",
        muted: false,
        speaking: false
      }
      assert.deepStrictEqual(yield* host.next, { type: "user_joined", payload: member })
      assert.deepStrictEqual(yield* ann!.rest, [])
      yield* ann!.send("leave_channel")
      assert.deepStrictEqual(yield* host.next, { type: "user_left", payload: member })
      assert.deepStrictEqual(yield* ann!.rest, [])
    }))

  it.effect("answers a frame with an id by ok and one without by nothing; what is refused by an error with its id", () =>
    Effect.gen(function* () {
      const { people: [ann], enter } = yield* Room.gathering("ann")
      yield* ann!.send("leave_channel", undefined, "a")
      assert.deepStrictEqual(yield* ann!.next, {
        type: "error",
        payload: { code: "not_in_channel", detail: "Join a channel first" },
        id: "a"
      })
      yield* enter(ann!)
      yield* ann!.send("mute", { muted: true })
      yield* ann!.send("mute", { muted: false }, 7)
      assert.deepStrictEqual(yield* ann!.next, { type: "ok", payload: {}, id: 7 })
    }))

  it.effect("lets a user in by several connections, and each connection into one channel at a time", () =>
    Effect.gen(function* () {
      const { channelId, enter, host, people: [ann], tenant } = yield* Room.gathering("ann")
      const again = yield* Room.connect(tenant.apiKey, "ann")
      yield* enter(ann!)
      assert.deepStrictEqual(names(yield* enter(again)), ["ann", "ann", "host"])
      const other = yield* Room.makeChannel(ann!.token, "Other")
      assert.deepStrictEqual(names(yield* again.ask("join_channel", { channel_id: other })), ["ann"])
      assert.strictEqual((yield* host.hear("user_left")).payload.connection_id, again.connectionId)
      assert.deepStrictEqual(names(yield* enter(ann!)), ["ann", "host"])
      assert.notStrictEqual(channelId, other)
    }))

  it.effect("keeps a channel from another tenant's users, and an unknown one from everybody", () =>
    Effect.gen(function* () {
      const { channelId, host } = yield* Room.gathering()
      const stranger = yield* Room.connect((yield* Room.makeTenant()).apiKey, "stranger")
      for (const id of [channelId, 2 ** 40]) {
        const answer = yield* stranger.ask("join_channel", { channel_id: id })
        assert.deepStrictEqual([answer.type, answer.payload.code], ["error", "not_found"])
      }
      assert.deepStrictEqual(yield* host.rest, [])
    }))

  it.effect("takes out who hangs up, and who is banned, at once", () =>
    Effect.gen(function* () {
      const { enter, host, people: [ann, bob], tenant } = yield* Room.gathering("ann", "bob")
      yield* enter(ann!)
      yield* enter(bob!)
      yield* ann!.hangUp
      assert.strictEqual((yield* host.hear("user_left")).payload.username, "ann")
      yield* Server.call("PATCH", `/api/tenant/users/${bob!.userId}`, { bearer: tenant.apiKey, json: { banned: true } })
      assert.strictEqual((yield* host.hear("user_left")).payload.username, "bob")
      assert.deepStrictEqual(yield* bob!.hear("close"), { type: "close", code: 4403, reason: "user_banned" })
    }))

  it.effect("decides the role: asked for more than there is, it gives the most; asked for less, less", () =>
    Effect.gen(function* () {
      const { enter, host, people: [ann] } = yield* Room.gathering("ann")
      const roleOf = (person: Room.Person, frame: { readonly payload: { readonly users: ReadonlyArray<any> } }) =>
        frame.payload.users.find(({ connection_id }) => connection_id === person.connectionId).role
      assert.strictEqual(roleOf(ann!, yield* enter(ann!, "host")), "speaker")
      assert.strictEqual(roleOf(ann!, yield* enter(ann!, "listener")), "listener")
      assert.strictEqual(roleOf(ann!, yield* enter(ann!)), "guest")
      assert.strictEqual(roleOf(host, yield* enter(host)), "host")
      assert.strictEqual(roleOf(host, yield* enter(host, "listener")), "listener")
      const refused = yield* host.ask("remove_member", { connection_id: ann!.connectionId })
      assert.strictEqual(refused.payload.code, "not_allowed")
    }))

  it.effect("tells the others, not oneself, that one is muted or speaks, and mutes who speaks", () =>
    Effect.gen(function* () {
      const { enter, host, people: [ann] } = yield* Room.gathering("ann")
      yield* enter(ann!)
      yield* host.hear("user_joined")
      yield* ann!.send("speaking", { speaking: true })
      assert.deepInclude((yield* host.next).payload, { speaking: true, muted: false, username: "ann" })
      yield* ann!.ask("mute", { muted: true })
      assert.deepInclude((yield* host.next).payload, { speaking: false, muted: true, username: "ann" })
      const refused = yield* ann!.ask("speaking", { speaking: true })
      assert.deepStrictEqual(refused.payload, { code: "not_allowed", detail: "You are muted" })
      assert.deepStrictEqual(yield* ann!.rest, [])
    }))

  it.effect("gathers a burst of changes of one member: the first is told at once, then the last", () =>
    Effect.gen(function* () {
      const { enter, host, people: [ann] } = yield* Room.gathering("ann")
      yield* enter(ann!)
      yield* host.hear("user_joined")
      for (let n = 0; n < 15; n++) yield* ann!.send("speaking", { speaking: n % 2 === 0 })
      yield* ann!.send("mute", { muted: true })
      const heard: Array<{ readonly speaking: boolean; readonly muted: boolean }> = []
      while (heard.at(-1)?.muted !== true) heard.push((yield* host.next).payload)
      assert.deepInclude(heard[0], { speaking: true, muted: false })
      assert.isBelow(heard.length, 8)
    }))

  it.effect("passes signals on to the one they are for, as sent, with who they are from and nothing else", () =>
    Effect.gen(function* () {
      const { enter, host, people: [ann, bob] } = yield* Room.gathering("ann", "bob")
      yield* enter(ann!)
      yield* enter(bob!)
      yield* host.rest
      const to = host.connectionId
      const from = ann!.connectionId
      const candidate = { candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host", sdpMid: "0", sdpMLineIndex: 0 }
      yield* ann!.send("webrtc_offer", { to, sdp: sending, from: bob!.connectionId, extra: "x" })
      yield* ann!.send("webrtc_answer", { to, sdp: sending })
      yield* ann!.send("ice_candidate", { to, candidate })
      yield* ann!.send("ice_candidate", { to, candidate: null })
      assert.deepStrictEqual(yield* host.next, { type: "webrtc_offer", payload: { to, sdp: sending, from } })
      assert.deepStrictEqual(yield* host.next, { type: "webrtc_answer", payload: { to, sdp: sending, from } })
      assert.deepStrictEqual(yield* host.next, { type: "ice_candidate", payload: { to, candidate, from } })
      assert.deepStrictEqual(yield* host.next, { type: "ice_candidate", payload: { to, candidate: null, from } })
      assert.deepStrictEqual((yield* bob!.rest).filter(({ type }) => /webrtc|ice/.test(type)), [])
    }))

  it.effect("passes nothing on to who is in another channel, or in none", () =>
    Effect.gen(function* () {
      const { enter, host, people: [ann, bob] } = yield* Room.gathering("ann", "bob")
      const other = yield* Room.makeChannel(ann!.token, "Other")
      yield* ann!.ask("join_channel", { channel_id: other })
      for (const to of [host.connectionId, bob!.connectionId, "nobody"]) {
        const refused = yield* ann!.ask("webrtc_offer", { to, sdp: sending })
        assert.deepStrictEqual([refused.type, refused.payload.code], ["error", "not_found"])
      }
      const refused = yield* bob!.ask("ice_candidate", { to: host.connectionId, candidate: null })
      assert.strictEqual(refused.payload.code, "not_in_channel")
      yield* enter(bob!)
      assert.deepStrictEqual((yield* host.rest).map(({ type }) => type), ["user_joined"])
    }))

  it.effect("lets a listener hear only", () =>
    Effect.gen(function* () {
      const { enter, host, people: [ann] } = yield* Room.gathering("ann")
      yield* enter(ann!, "listener")
      const to = host.connectionId
      for (
        const [type, payload] of [
          ["speaking", { speaking: true }],
          ["mute", { muted: true }],
          ["webrtc_offer", { to, sdp: sending }],
          ["webrtc_answer", { to, sdp: "nothing that is read as a description" }]
        ] as const
      ) {
        const refused = yield* ann!.ask(type, payload)
        assert.deepStrictEqual([refused.type, refused.payload.code], ["error", "not_allowed"], type)
      }
      yield* host.hear("user_joined")
      yield* ann!.send("webrtc_offer", { to, sdp: receiveOnly })
      assert.strictEqual((yield* host.next).payload.sdp, receiveOnly)
    }))

  it.effect("lets a host mute, and undo what hosts did and nothing else; rejoining escapes none of it", () =>
    Effect.gen(function* () {
      const { enter, host, people: [ann] } = yield* Room.gathering("ann")
      const target = ann!.connectionId
      yield* enter(ann!)
      yield* ann!.send("speaking", { speaking: true })
      assert.strictEqual((yield* host.ask("mute", { muted: true, connection_id: target })).type, "ok")
      assert.deepInclude((yield* ann!.hear("user_updated")).payload, { muted: true, speaking: false })
      for (const again of [false, true]) {
        if (again) yield* enter(ann!)
        const refused = yield* ann!.ask("mute", { muted: false })
        assert.deepStrictEqual(refused.payload, { code: "not_allowed", detail: "You were muted by a host" })
      }
      yield* ann!.ask("leave_channel")
      const users = (yield* enter(ann!)).payload.users
      assert.isTrue(users.find(({ username }: { username: string }) => username === "ann").muted)
      yield* host.ask("mute", { muted: false, connection_id: target })
      assert.deepInclude((yield* ann!.hear("user_updated")).payload, { muted: false })
      yield* ann!.ask("mute", { muted: true })
      const refused = yield* host.ask("mute", { muted: false, connection_id: target })
      assert.match(refused.payload.detail, /muted itself/)
    }))

  it.effect("lets nobody but a host decide about others, and nobody about a host", () =>
    Effect.gen(function* () {
      const { byTenant, enter, host, people: [ann, bob] } = yield* Room.gathering("ann", "bob")
      yield* enter(ann!)
      yield* enter(bob!)
      const acts = (target: Room.Person) =>
        [
          ["mute", { muted: true, connection_id: target.connectionId }],
          ["set_role", { role: "listener", connection_id: target.connectionId }],
          ["remove_member", { connection_id: target.connectionId }]
        ] as const
      for (const [type, payload] of [...acts(bob!), ...acts(host)]) {
        assert.strictEqual((yield* ann!.ask(type, payload)).payload.code, "not_allowed", type)
      }
      assert.strictEqual((yield* byTenant("PATCH", `/users/${ann!.userId}`, { role: "host" })).status, 200)
      assert.strictEqual((yield* ann!.hear("user_updated")).payload.role, "host")
      assert.strictEqual((yield* bob!.hear("user_updated")).payload.role, "host")
      for (const [type, payload] of acts(host)) {
        assert.strictEqual((yield* ann!.ask(type, payload)).payload.code, "not_allowed", type)
      }
      assert.strictEqual(
        (yield* host.ask("mute", { muted: true, connection_id: ann!.connectionId })).payload.code,
        "not_allowed"
      )
      assert.strictEqual(
        (yield* ann!.ask("set_role", { role: "speaker", connection_id: bob!.connectionId })).type,
        "ok"
      )
      assert.strictEqual((yield* bob!.hear("user_updated")).payload.role, "speaker")
      assert.strictEqual((yield* host.ask("set_role", { role: "guest", connection_id: ann!.connectionId })).type, "ok")
    }))

  it.effect("removes a member, which may come back by a new session only, or when the tenant lets it in", () =>
    Effect.gen(function* () {
      const { byTenant, enter, host, people: [ann], tenant } = yield* Room.gathering("ann")
      yield* enter(ann!)
      yield* host.ask("remove_member", { connection_id: ann!.connectionId })
      assert.strictEqual((yield* ann!.hear("user_left")).payload.connection_id, ann!.connectionId)
      assert.strictEqual((yield* ann!.next).payload.code, "removed_from_channel")
      assert.strictEqual((yield* enter(ann!)).payload.code, "removed_from_channel")
      const later = yield* Room.connect(tenant.apiKey, "ann")
      assert.deepStrictEqual(names(yield* enter(later)), ["ann", "host"])
      assert.deepStrictEqual((yield* byTenant("GET", `/users/${ann!.userId}`)).body, {
        role: null,
        muted: false,
        removed: true
      })
      yield* byTenant("PATCH", `/users/${ann!.userId}`, { removed: false })
      assert.strictEqual((yield* enter(ann!)).type, "channel_users")
    }))

  it.effect("takes a host's rights with its place: who was removed deletes nothing", () =>
    Effect.gen(function* () {
      const { byTenant, channelId, host } = yield* Room.gathering()
      yield* byTenant("PATCH", `/users/${host.userId}`, { removed: true })
      const path = `/api/channels/${channelId}`
      assert.strictEqual((yield* Server.call("DELETE", path, { bearer: host.token })).body.code, "not_allowed")
      yield* byTenant("PATCH", `/users/${host.userId}`, { removed: false })
      assert.strictEqual((yield* Server.call("DELETE", path, { bearer: host.token })).status, 204)
    }))

  it.effect("records what changed about somebody, and not what was so before", () =>
    Effect.gen(function* () {
      const { enter, host, people: [ann], tenant } = yield* Room.gathering("ann")
      yield* enter(ann!)
      const target = ann!.connectionId
      for (const muted of [false, true, true, true, false]) {
        assert.strictEqual((yield* host.ask("mute", { muted, connection_id: target })).type, "ok")
      }
      for (const role of ["speaker", "speaker"]) yield* host.ask("set_role", { role, connection_id: target })
      const { body } = yield* Server.call("GET", "/api/tenant/events", { bearer: tenant.apiKey })
      const events = body.events.filter(({ type }: { type: string }) => type === "channel_standing_changed")
      assert.deepStrictEqual(
        events.map(({ detail }: { detail: { muted?: string; role?: string } }) => detail.muted ?? detail.role),
        ["speaker", "false", "true"]
      )
      for (const { address } of events) assert.strictEqual(address, "127.0.0.1")
    }))

  it.effect("obeys the tenant: who may speak, the default role, a mute that no host undoes, who is in", () =>
    Effect.gen(function* () {
      const { byTenant, enter, host, people: [ann] } = yield* Room.gathering("ann")
      yield* enter(ann!)
      yield* ann!.send("speaking", { speaking: true })
      yield* host.hear("user_updated")
      assert.strictEqual((yield* byTenant("PATCH", "", { who_may_speak: "speakers" })).body.who_may_speak, "speakers")
      assert.isFalse((yield* host.hear("user_updated")).payload.speaking)
      assert.strictEqual((yield* ann!.ask("speaking", { speaking: true })).payload.code, "not_allowed")
      yield* byTenant("PATCH", "", { default_role: "listener" })
      assert.strictEqual((yield* ann!.hear("user_updated")).payload.role, "listener")
      yield* byTenant("PATCH", `/users/${ann!.userId}`, { role: "speaker", muted: true })
      assert.deepInclude((yield* ann!.hear("user_updated")).payload, { role: "speaker", muted: true })
      const refused = yield* host.ask("mute", { muted: false, connection_id: ann!.connectionId })
      assert.match(refused.payload.detail, /only the app may undo it/)
      const { body } = yield* byTenant("GET", "/members")
      assert.deepStrictEqual(
        body.map(({ role, username }: Record<string, unknown>) => [username, role]),
        [["host", "host"], ["ann", "speaker"]]
      )
    }))

  it.effect("tells who is in a channel that it was deleted, by its host or by the tenant, and by nobody else", () =>
    Effect.gen(function* () {
      for (const by of ["host", "tenant"]) {
        const { byTenant, channelId, enter, host, people: [ann] } = yield* Room.gathering("ann")
        yield* enter(ann!)
        const path = `/api/channels/${channelId}`
        assert.strictEqual((yield* Server.call("DELETE", path, { bearer: ann!.token })).body.code, "not_allowed")
        const { status } = by === "host"
          ? yield* Server.call("DELETE", path, { bearer: host.token })
          : yield* byTenant("DELETE", "")
        assert.strictEqual(status, 204)
        assert.strictEqual((yield* ann!.hear("user_left")).payload.connection_id, ann!.connectionId)
        assert.strictEqual((yield* ann!.hear("error")).payload.code, "channel_deleted")
        assert.strictEqual((yield* enter(ann!)).payload.code, "not_found")
      }
    }))
})

layer(Server.layer({ MAX_CHANNEL_MEMBERS: "2" }), { excludeTestServices: true, timeout: "60 seconds" })(
  "Voice rooms with a limit",
  (it) => {
    it.effect("are full at some point, and not for who is in already", () =>
      Effect.gen(function* () {
        const { enter, host, people: [ann, bob] } = yield* Room.gathering("ann", "bob")
        yield* enter(ann!)
        assert.strictEqual((yield* enter(bob!)).payload.code, "channel_full")
        assert.strictEqual((yield* enter(ann!)).type, "channel_users")
        yield* ann!.ask("leave_channel")
        assert.strictEqual((yield* enter(bob!)).type, "channel_users")
        yield* host.rest
      }))
  }
)
