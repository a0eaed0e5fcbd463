// Who was muted by a host, or by the tenant, tries every way to be heard again. The mute is the user's, not the socket's.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Room from "../support/Room.ts"
import * as Server from "../support/Server.ts"
import * as Wire from "./Wire.ts"

type Shown = { readonly connection_id: string; readonly muted: boolean; readonly speaking: boolean }

layer(Server.layer(), Wire.options)("MutedSpeaker", (it) => {
  for (const by of ["host", "tenant"] as const) {
    it.effect(`stays muted by the ${by}, by whatever socket, role, order or promise`, () =>
      Effect.gen(function* () {
        const { byTenant, channelId, enter, host, people: [eve], tenant } = yield* Room.gathering("eve")
        yield* enter(eve!, "speaker")
        const before = yield* Room.connect(tenant.apiKey, "eve")
        yield* enter(before)
        yield* eve!.send("speaking", { speaking: true })
        const act = by === "host"
          ? host.ask("mute", { muted: true, connection_id: eve!.connectionId })
          : byTenant("PATCH", `/users/${eve!.userId}`, { muted: true })
        yield* act
        for (const person of [eve!, before]) {
          const told = yield* Effect.repeat(person.hear("user_updated"), {
            until: ({ payload }) => payload.connection_id === person.connectionId
          })
          assert.deepInclude(told.payload, { muted: true, speaking: false })
        }

        const isMuted = Effect.fnUntraced(function* (person: Room.Person, how: string) {
          const { body } = yield* byTenant("GET", "/members")
          const self = body.find(({ connection_id }: Shown) => connection_id === person.connectionId)
          assert.deepInclude(self, { muted: true, speaking: false }, how)
        })
        const tries = Effect.fnUntraced(function* (person: Room.Person, how: string) {
          for (
            const [type, payload] of [
              ["mute", { muted: false }],
              ["mute", { muted: false, connection_id: person.connectionId }],
              ["speaking", { speaking: true }],
              ["set_role", { connection_id: person.connectionId, role: "host" }]
            ] as const
          ) {
            assert.strictEqual((yield* person.ask(type, payload)).payload.code, "not_allowed", `${how}: ${type}`)
          }
          yield* isMuted(person, how)
        })

        yield* tries(eve!, "at once")
        yield* tries(before, "by a socket from before")
        for (const other of [eve!, before]) {
          const refused = yield* eve!.ask("mute", { muted: false, connection_id: other.connectionId })
          assert.strictEqual(refused.payload.code, "not_allowed")
        }
        // To mute oneself on top of it, and undo that, undoes that only.
        assert.strictEqual((yield* eve!.ask("mute", { muted: true })).type, "ok")
        yield* tries(eve!, "after muting itself")
        for (const role of ["speaker", "guest", "host", undefined]) {
          yield* enter(eve!, role)
          yield* tries(eve!, `as ${role}`)
        }
        yield* eve!.ask("leave_channel")
        yield* enter(eve!)
        yield* tries(eve!, "after leaving")
        const elsewhere = yield* Room.makeChannel(eve!.token, "Elsewhere")
        assert.isFalse((yield* eve!.ask("join_channel", { channel_id: elsewhere })).payload.users[0].muted)
        yield* enter(eve!)
        yield* tries(eve!, "after a channel of its own")
        const later = yield* Room.connect(tenant.apiKey, "eve")
        yield* enter(later, "speaker")
        yield* tries(later, "by a new session")
        const { body } = yield* byTenant("PATCH", `/users/${eve!.userId}`, { role: "speaker" })
        assert.deepInclude(body, { role: "speaker", muted: true })
        yield* tries(later, "promoted")
        assert.strictEqual((yield* byTenant("GET", "/members")).body.length, 4)
        assert.isNumber(channelId)
      }))
  }

  it.effect("is muted by the time the host is answered, whatever it sends meanwhile", () =>
    Effect.gen(function* () {
      const { enter, host, people: [eve] } = yield* Room.gathering("eve")
      yield* enter(eve!)
      for (let n = 0; n < 20; n++) yield* eve!.send("mute", { muted: n % 2 === 1 })
      yield* host.ask("mute", { muted: true, connection_id: eve!.connectionId })
      for (let n = 0; n < 20; n++) {
        yield* eve!.send("mute", { muted: false })
        yield* eve!.send("speaking", { speaking: true })
      }
      yield* eve!.rest
      const users = (yield* enter(host)).payload.users
      const self = users.find(({ connection_id }: Shown) => connection_id === eve!.connectionId)
      assert.deepInclude(self, { muted: true, speaking: false })
    }))
})
