// Signals that claim to be from somebody else, bring along what nobody asked for, or go where their sender is not: who
// hears one can believe its `from`, and hears nothing from outside its channel.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Room from "../support/Room.ts"
import * as Server from "../support/Server.ts"
import * as Wire from "./Wire.ts"

const offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendrecv\r\n"

const isSignal = ({ type }: { readonly type: string }) => /^(?:webrtc|ice)/.test(type)

layer(Server.layer(), Wire.options)("ForgedSignal", (it) => {
  it.effect("carries the sender's own id, and nothing that the contract does not name", () =>
    Effect.gen(function* () {
      const { enter, host, people: [eve, ann] } = yield* Room.gathering("eve", "ann")
      yield* enter(eve!)
      yield* enter(ann!)
      yield* host.rest
      const to = host.connectionId
      const from = eve!.connectionId
      const lies = {
        from: ann!.connectionId,
        user_id: ann!.userId,
        role: "host",
        channel_id: 1,
        type: "error",
        constructor: { prototype: { from: "x" } }
      }
      const proto = JSON.parse(`{"__proto__":{"from":"${ann!.connectionId}","polluted":true}}`)
      for (const extra of [lies, proto, { "from\u0000": "x" }, { payload: { from: "x" } }]) {
        yield* eve!.send("webrtc_offer", { sdp: offer, ...extra, to })
        assert.deepStrictEqual(yield* host.next, { type: "webrtc_offer", payload: { to, sdp: offer, from } })
        yield* eve!.send("ice_candidate", { candidate: { candidate: "c", sdpMid: "0", ...extra }, ...extra, to })
        assert.deepStrictEqual(yield* host.next, {
          type: "ice_candidate",
          payload: { to, candidate: { candidate: "c", sdpMid: "0" }, from }
        })
      }
      assert.isUndefined(({} as Record<string, unknown>)["polluted"])
      assert.deepStrictEqual((yield* ann!.rest).filter(isSignal), [])
    }))

  it.effect("goes to nobody outside the sender's channel: another channel, another tenant, nobody, no name", () =>
    Effect.gen(function* () {
      const { enter, host, people: [eve, ann], tenant } = yield* Room.gathering("eve", "ann")
      const other = yield* Room.gathering()
      const away = yield* Room.makeChannel(ann!.token, "Away")
      yield* ann!.ask("join_channel", { channel_id: away })
      const idle = yield* Room.connect(tenant.apiKey, "idle")
      yield* enter(eve!)
      const names = [
        ann!.connectionId,
        other.host.connectionId,
        idle.connectionId,
        host.connectionId.toUpperCase(),
        ` ${host.connectionId}`,
        String(host.userId),
        host.ready.payload.session_id,
        "",
        "*",
        "__proto__",
        "constructor"
      ]
      for (const to of names) {
        for (
          const [type, payload] of [["webrtc_offer", { sdp: offer }], ["ice_candidate", { candidate: null }]] as const
        ) {
          assert.strictEqual((yield* eve!.ask(type, { to, ...payload })).payload.code, "not_found", to)
        }
      }
      for (const to of [null, 1, [host.connectionId], { id: host.connectionId }, "x".repeat(65), undefined]) {
        yield* enter(eve!)
        const refused = yield* eve!.ask("webrtc_offer", { to, sdp: offer })
        assert.strictEqual(refused.payload.code, "invalid_request", JSON.stringify(to))
      }
      for (const person of [host, ann!, other.host, idle]) {
        assert.deepStrictEqual((yield* person.rest).filter(isSignal), [])
      }
    }))

  it.effect("is heard by the sender itself, and by nobody else, when it is for itself", () =>
    Effect.gen(function* () {
      const { enter, host, people: [eve] } = yield* Room.gathering("eve")
      yield* enter(eve!)
      const to = eve!.connectionId
      yield* eve!.send("ice_candidate", { to, candidate: null, from: host.connectionId })
      assert.deepStrictEqual(yield* eve!.next, { type: "ice_candidate", payload: { to, candidate: null, from: to } })
      assert.deepStrictEqual((yield* host.rest).filter(isSignal), [])
    }))

  it.effect("is as long as it may be, whatever is in it, and no longer", () =>
    Effect.gen(function* () {
      const { enter, host, people: [eve] } = yield* Room.gathering("eve")
      yield* enter(eve!)
      const to = host.connectionId
      for (const unit of ["x", "\\", '"']) {
        const sdp = unit.repeat(unit === "x" ? 60_000 : 30_000)
        yield* eve!.send("webrtc_offer", { to, sdp })
        assert.strictEqual((yield* host.hear("webrtc_offer")).payload.sdp, sdp)
      }
      const refused = yield* eve!.ask("webrtc_offer", { to, sdp: "x".repeat(60_001) })
      assert.strictEqual(refused.payload.code, "invalid_request")
      yield* eve!.send("webrtc_offer", { to, sdp: "界".repeat(30_000) })
      assert.deepInclude(yield* eve!.hear("close"), { code: 1009 })
      assert.strictEqual((yield* host.hear("user_left")).payload.connection_id, eve!.connectionId)
    }))

  it.effect("is no frame when its type is one that objects have, or its text is none that can be kept", () =>
    Effect.gen(function* () {
      const { enter, host, people: [eve] } = yield* Room.gathering("eve")
      const to = host.connectionId
      const types = [
        "__proto__",
        "constructor",
        "toString",
        "hasOwnProperty",
        "user_joined",
        "user_left",
        "error",
        "ok"
      ]
      for (const type of types) {
        // A good frame between two bad ones, or the socket is closed for them.
        yield* enter(eve!)
        const refused = yield* eve!.ask(type, { to, sdp: offer })
        assert.deepStrictEqual([refused.type, refused.payload.code], ["error", "invalid_request"], type)
      }
      for (const sdp of ["\u0000", "\ud800", 1, null, [offer], { toString: offer }]) {
        yield* enter(eve!)
        assert.strictEqual((yield* eve!.ask("webrtc_answer", { to, sdp })).payload.code, "invalid_request")
      }
      assert.deepStrictEqual((yield* host.rest).filter(({ type }) => type !== "user_joined"), [])
    }))
})
