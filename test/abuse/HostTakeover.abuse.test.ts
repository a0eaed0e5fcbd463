// Who wants to run a channel that is not theirs: guests, hosts whom the maker promoted, and other tenants.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Room from "../support/Room.ts"
import * as Server from "../support/Server.ts"
import * as Wire from "./Wire.ts"

const roleOf = (person: Room.Person, frame: { readonly payload: { readonly users: ReadonlyArray<any> } }) =>
  frame.payload.users.find(({ connection_id }) => connection_id === person.connectionId).role

layer(Server.layer(), Wire.options)("HostTakeover", (it) => {
  it.effect("makes no host of who asks to be one, nor of who gives itself the role", () =>
    Effect.gen(function* () {
      const { byTenant, channelId, enter, host, people: [eve, ann] } = yield* Room.gathering("eve", "ann")
      yield* enter(ann!)
      for (const role of ["listener", "guest", "speaker", "host"]) {
        assert.notStrictEqual(roleOf(eve!, yield* enter(eve!, role)), "host")
        for (const target of [eve!, ann!, host]) {
          const promoted = yield* eve!.ask("set_role", { connection_id: target.connectionId, role: "host" })
          assert.strictEqual(promoted.payload.code, "not_allowed")
          const refused = yield* eve!.ask("remove_member", { connection_id: target.connectionId })
          assert.strictEqual(refused.payload.code, "not_allowed")
        }
      }
      const removal = yield* call("DELETE", `/api/channels/${channelId}`, { bearer: eve!.token })
      Wire.isProblem(removal, 403, "not_allowed")
      for (const id of [0, -1, 1.5, "x", 2 ** 53]) {
        const { status } = yield* call("DELETE", `/api/channels/${id}`, { bearer: eve!.token })
        assert.include([400, 404], status)
      }
      const { body } = yield* byTenant("GET", `/users/${eve!.userId}`)
      assert.deepStrictEqual(body, { role: null, muted: false, removed: false })
    }))

  it.effect("lets a promoted host take nothing from the maker or from another host, nor undo its own demotion", () =>
    Effect.gen(function* () {
      const { enter, host, people: [eve, ann] } = yield* Room.gathering("eve", "ann")
      yield* enter(eve!)
      yield* enter(ann!)
      for (const person of [eve!, ann!]) {
        assert.strictEqual(
          (yield* host.ask("set_role", { connection_id: person.connectionId, role: "host" })).type,
          "ok"
        )
        yield* person.hear("user_updated")
      }
      for (const target of [host, ann!]) {
        for (const role of ["listener", "guest", "speaker", "host"]) {
          const refused = yield* eve!.ask("set_role", { connection_id: target.connectionId, role })
          assert.strictEqual(refused.payload.code, "not_allowed")
        }
        for (
          const [type, payload] of [["remove_member", {}], ["mute", { muted: true }], ["mute", {
            muted: false
          }]] as const
        ) {
          const refused = yield* eve!.ask(type, { ...payload, connection_id: target.connectionId })
          assert.strictEqual(refused.payload.code, "not_allowed", type)
        }
      }
      assert.strictEqual((yield* host.ask("set_role", { connection_id: eve!.connectionId, role: "guest" })).type, "ok")
      // The answer came after the decision, which the store holds whatever this instance still shows.
      for (const target of [eve!, ann!, host]) {
        const refused = yield* eve!.ask("set_role", { connection_id: target.connectionId, role: "host" })
        assert.strictEqual(refused.payload.code, "not_allowed")
      }
      assert.strictEqual(roleOf(eve!, yield* enter(eve!, "host")), "guest")
      assert.strictEqual(roleOf(ann!, yield* enter(ann!)), "host")
      assert.strictEqual(roleOf(host, yield* enter(host)), "host")
    }))

  it.effect("lets the maker give up its role, and keep it", () =>
    Effect.gen(function* () {
      const { byTenant, enter, host, people: [ann] } = yield* Room.gathering("ann")
      yield* enter(ann!)
      const own = { connection_id: host.connectionId }
      assert.strictEqual((yield* host.ask("set_role", { ...own, role: "guest" })).payload.code, "not_allowed")
      assert.strictEqual((yield* host.ask("remove_member", own)).payload.code, "not_allowed")
      yield* byTenant("PATCH", `/users/${host.userId}`, { role: "guest" })
      assert.strictEqual((yield* host.hear("user_updated")).payload.role, "guest")
      assert.strictEqual((yield* host.ask("set_role", { ...own, role: "host" })).payload.code, "not_allowed")
      assert.strictEqual(
        (yield* host.ask("set_role", { connection_id: ann!.connectionId, role: "host" })).payload.code,
        "not_allowed"
      )
      assert.strictEqual(roleOf(host, yield* enter(host, "host")), "guest")
      yield* byTenant("PATCH", `/users/${host.userId}`, { role: null })
      assert.strictEqual(roleOf(host, yield* enter(host)), "host")
    }))

  it.effect("gives a host of one channel, or tenant, nothing to say in another", () =>
    Effect.gen(function* () {
      const mine = yield* Room.gathering("ann")
      const theirs = yield* Room.gathering("eve")
      yield* mine.enter(mine.people[0]!)
      const own = yield* Room.makeChannel(mine.people[0]!.token, "Own")
      const neighbour = mine.people[0]!
      yield* neighbour.ask("join_channel", { channel_id: own })
      for (const intruder of [neighbour, theirs.host]) {
        for (
          const [type, payload] of [["remove_member", {}], ["set_role", { role: "listener" }], ["mute", {
            muted: true
          }]] as const
        ) {
          const refused = yield* intruder.ask(type, { ...payload, connection_id: mine.host.connectionId })
          assert.strictEqual(refused.payload.code, "not_found", type)
        }
      }
      Wire.isProblem(
        yield* call("DELETE", `/api/channels/${mine.channelId}`, { bearer: theirs.host.token }),
        404,
        "not_found"
      )
      const path = `/api/tenant/channels/${mine.channelId}/users/`
      for (const id of [mine.host.userId, theirs.host.userId]) {
        for (const json of [{ role: "host" }, { muted: true }, { removed: true }]) {
          Wire.isProblem(yield* call("PATCH", path + id, { bearer: theirs.tenant.apiKey, json }), 404, "not_found")
        }
      }
      // Nor does a user of another tenant get a role here, from its own tenant or from this one.
      Wire.isProblem(yield* mine.byTenant("PATCH", `/users/${theirs.host.userId}`, { role: "host" }), 404, "not_found")
      assert.deepStrictEqual((yield* mine.byTenant("GET", `/users/${mine.host.userId}`)).body, {
        role: null,
        muted: false,
        removed: false
      })
      assert.strictEqual(roleOf(mine.host, yield* mine.enter(mine.host)), "host")
    }))
})
