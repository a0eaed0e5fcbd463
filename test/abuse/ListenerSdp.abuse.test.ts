// Who may not speak tries to send audio all the same: the only thing in its way is that nobody gets its description.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Room from "../support/Room.ts"
import * as Server from "../support/Server.ts"
import * as Wire from "./Wire.ts"

const session = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
const audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
const receiving = `${session}${audio}a=recvonly\r\n`

const sending = [
  `${session}${audio}a=sendrecv\r\n`,
  `${session}${audio}a=sendonly\r\n`,
  `${session}${audio}`,
  `${session}a=recvonly\r\n${audio}`,
  `${receiving}a=sendrecv\r\n`,
  `${receiving}a=sendrecv:x\r\n`,
  `${receiving}${audio}`,
  `${receiving}m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\n`,
  `${session}${audio.replace("audio 9", "audio 0")}a=bundle-only\r\na=sendonly\r\n`,
  `${receiving}a=x\r${audio}`,
  receiving.replace("recvonly", "recvonly\t"),
  receiving.replaceAll("a=", "A="),
  receiving.replace("v=0", "v=0 "),
  "",
  "not a description"
]

layer(Server.layer(), Wire.options)("ListenerSdp", (it) => {
  it.effect("is passed on to nobody when it would send, from whoever may not speak at that moment", () =>
    Effect.gen(function* () {
      const { byTenant, enter, host, people: [eve] } = yield* Room.gathering("eve")
      const to = host.connectionId
      const refused = Effect.fnUntraced(function* (who: string) {
        for (const sdp of sending) {
          for (const type of ["webrtc_offer", "webrtc_answer"]) {
            const { payload } = yield* eve!.ask(type, { to, sdp })
            assert.strictEqual(payload.code, "not_allowed", `${who}: ${type} ${JSON.stringify(sdp)}`)
          }
        }
        assert.deepStrictEqual((yield* host.rest).filter(({ type }) => type.startsWith("webrtc")), [], who)
        assert.strictEqual((yield* eve!.ask("webrtc_answer", { to, sdp: receiving })).type, "ok")
        assert.strictEqual((yield* host.hear("webrtc_answer")).payload.sdp, receiving)
      })
      yield* enter(eve!, "listener")
      yield* refused("a listener by its own wish")
      yield* enter(eve!)
      assert.strictEqual((yield* eve!.ask("webrtc_offer", { to, sdp: sending[0] })).type, "ok", "a guest who may")
      yield* host.hear("webrtc_offer")
      yield* byTenant("PATCH", "", { who_may_speak: "speakers" })
      yield* refused("a guest where only speakers speak")
      yield* enter(eve!, "speaker")
      yield* refused("a guest who asks for more")
      yield* byTenant("PATCH", "", { who_may_speak: "everyone" })
      yield* host.ask("set_role", { connection_id: eve!.connectionId, role: "listener" })
      yield* enter(eve!, "speaker")
      yield* refused("made a listener by the host")
    }))
})
