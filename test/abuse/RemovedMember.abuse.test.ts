// Who was removed from a channel tries to be in it all the same, by everything it had when it was removed.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Room from "../support/Room.ts"
import * as Server from "../support/Server.ts"
import * as Wire from "./Wire.ts"

layer(Server.layer(), Wire.options)("RemovedMember", (it) => {
  it.effect("comes back by no socket and no role, nor by what its session becomes", () =>
    Effect.gen(function* () {
      const { byTenant, channelId, enter, host, tenant } = yield* Room.gathering()
      const { body } = yield* Server.autoAuth(tenant.apiKey, { username: "eve" })
      const url = yield* Server.baseUrl
      const eve = yield* Room.connectWith(url, body)
      const idle = yield* Room.connectWith(url, body)
      const second = yield* Room.connect(tenant.apiKey, "eve")
      yield* enter(eve)
      yield* enter(second)
      assert.strictEqual((yield* host.ask("remove_member", { connection_id: eve.connectionId })).type, "ok")
      for (const person of [eve, second]) {
        const { payload } = yield* Effect.repeat(person.hear("user_left"), {
          until: ({ payload }) => payload.connection_id === person.connectionId
        })
        assert.strictEqual(payload.user_id, eve.userId)
        assert.strictEqual((yield* person.hear("error")).payload.code, "removed_from_channel")
      }
      const refused = Effect.fnUntraced(function* (person: Room.Person, how: string) {
        for (const role of [undefined, "listener", "host"]) {
          assert.strictEqual((yield* enter(person, role)).payload.code, "removed_from_channel", how)
        }
        for (const type of ["mute", "speaking", "leave_channel"]) {
          const { payload } = yield* person.ask(type, { muted: false, speaking: true })
          assert.strictEqual(payload.code, "not_in_channel", how)
        }
        const to = host.connectionId
        assert.strictEqual((yield* person.ask("ice_candidate", { to, candidate: null })).payload.code, "not_in_channel")
      })
      yield* refused(eve, "at once")
      yield* refused(second, "by its other session")
      yield* refused(idle, "by a socket that was not in it")
      yield* refused(yield* Room.connectWith(url, body), "by a new socket")
      const refreshed = yield* Wire.refreshed(body.refresh_token)
      yield* refused(yield* Room.connectWith(url, { ...body, ...refreshed }), "by a token refreshed since")
      const { body: members } = yield* byTenant("GET", "/members")
      assert.deepStrictEqual(members.map(({ username }: { readonly username: string }) => username), ["host"])
      assert.isNumber(channelId)
    }))

  it.effect("is out in the end, however the removal and its joins meet", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 8; round++) {
        const { byTenant, channelId, enter, host, people: [eve, sister] } = yield* Room.gathering("eve", "sister")
        yield* enter(eve!)
        const joins = Effect.forEach(Array.from({ length: 8 }), (_, n) =>
          n % 3 === 2 ? eve!.send("leave_channel") : eve!.send("join_channel", { channel_id: channelId }), {
          discard: true
        })
        const removal = round % 2 === 0
          ? host.ask("remove_member", { connection_id: eve!.connectionId })
          : byTenant("PATCH", `/users/${eve!.userId}`, { removed: true })
        yield* Effect.all([joins, removal, joins], { concurrency: "unbounded", discard: true })
        // Where the host saw it leave, it could not name it.
        yield* byTenant("PATCH", `/users/${eve!.userId}`, { removed: true })
        yield* eve!.rest
        assert.strictEqual((yield* enter(eve!)).payload.code, "removed_from_channel")
        const users = (yield* enter(sister!)).payload.users
        assert.deepStrictEqual(
          users.map(({ username }: { readonly username: string }) =>
            username
          ).toSorted(),
          ["host", "sister"]
        )
      }
    }))
})
