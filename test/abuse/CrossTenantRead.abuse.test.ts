// A tenant's key or token, and every id of another tenant: what is not yours does not exist, and the answer is the one
// that an id gets which nobody has.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Room from "../support/Room.ts"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

/** A tenant with a user, a session and a channel, all named the same in each. */
const tenant = Effect.gen(function* () {
  const made = yield* Wire.makeTenant
  yield* Wire.createUser(made)
  const ada = yield* Wire.signIn(made)
  const profile = { username: "bob", custom_id: "c-1", metadata: { secret: made.app_id } }
  const bob = yield* call("POST", "/api/auth/auto", { bearer: made.api_key, json: profile })
  assert.strictEqual(bob.status, 200, bob.text)
  const channel = yield* call("POST", "/api/channels", { bearer: ada.token, json: { name: `Lobby ${made.app_id}` } })
  assert.strictEqual(channel.status, 201, channel.text)
  return { ...made, ada, bob: bob.body as Wire.SignedIn, channel: channel.body as { id: number; name: string } }
})

const nobody = 2 ** 40

layer(Server.layer(), Wire.options)("CrossTenantRead", (it) => {
  it.effect("answers another tenant's user as it answers nobody's", () =>
    Effect.gen(function* () {
      const mine = yield* tenant
      const theirs = yield* tenant
      const foreign = yield* Wire.setPassword(mine, theirs.ada.user.id, "another horse battery")
      const absent = yield* Wire.setPassword(mine, nobody, "another horse battery")
      Wire.isProblem(foreign, 404, "not_found")
      assert.deepEqual(Wire.shown(foreign), Wire.shown(absent))
      assert.strictEqual((yield* Wire.me(theirs.ada.token)).status, 200)
      assert.strictEqual((yield* Wire.login(theirs.app_id, "ada", Wire.password)).status, 200)
    }))

  it.effect("lists and finds no user of another tenant, by whatever cursor or search", () =>
    Effect.gen(function* () {
      const theirs = yield* tenant
      const mine = yield* tenant
      const queries = [
        "",
        `?cursor=${theirs.ada.user.id - 1}`,
        "?cursor=0&limit=200",
        "?search=c-1",
        "?search=a",
        "?search=%25",
        "?search=_",
        `?tenant_id=${theirs.id}`,
        `?search=${theirs.app_id}`
      ]
      for (const query of queries) {
        const { body, status } = yield* call("GET", `/api/tenant/users${query}`, { bearer: mine.api_key })
        assert.strictEqual(status, 200)
        for (const { id } of body.users) assert.include([mine.ada.user.id, mine.bob.user.id], id, query)
      }
    }))

  it.effect("shows a user the channels of its own tenant alone", () =>
    Effect.gen(function* () {
      const mine = yield* tenant
      const theirs = yield* tenant
      for (const query of ["", `?tenant_id=${theirs.id}`, `?app_id=${theirs.app_id}`]) {
        const answer = yield* call("GET", `/api/channels${query}`, { bearer: mine.ada.token })
        assert.deepEqual(answer.body, [mine.channel], query)
      }
    }))

  it.effect("answers another tenant's channel as it answers nobody's, to its key and to its users", () =>
    Effect.gen(function* () {
      const mine = yield* tenant
      const theirs = yield* tenant
      const paths = (channel: number, user: number) =>
        [
          ["PATCH", `/api/tenant/channels/${channel}`, { name: "Taken", who_may_speak: "speakers" }],
          ["DELETE", `/api/tenant/channels/${channel}`, undefined],
          ["GET", `/api/tenant/channels/${channel}/members`, undefined],
          ["GET", `/api/tenant/channels/${channel}/users/${user}`, undefined],
          ["PATCH", `/api/tenant/channels/${channel}/users/${user}`, { role: "host", removed: true }]
        ] as const
      const users = [mine.ada.user.id, theirs.ada.user.id]
      for (const user of users) {
        const absent = paths(nobody, user)
        for (const [index, [method, path, json]] of paths(theirs.channel.id, user).entries()) {
          const foreign = yield* call(method, path, { bearer: mine.api_key, json })
          Wire.isProblem(foreign, 404, "not_found", `${method} ${path}`)
          const answer = yield* call(method, absent[index]![1], { bearer: mine.api_key, json })
          assert.deepEqual(Wire.shown(foreign), Wire.shown(answer))
        }
      }
      // One's own channel with another's user.
      const crossed = `/api/tenant/channels/${mine.channel.id}/users/`
      for (const [method, json] of [["GET", undefined], ["PATCH", { role: "host" }]] as const) {
        const foreign = yield* call(method, crossed + theirs.ada.user.id, { bearer: mine.api_key, json })
        Wire.isProblem(foreign, 404, "not_found")
        const absent = yield* call(method, crossed + nobody, { bearer: mine.api_key, json })
        assert.deepEqual(Wire.shown(foreign), Wire.shown(absent))
      }
      const removal = yield* call("DELETE", `/api/channels/${theirs.channel.id}`, { bearer: mine.ada.token })
      Wire.isProblem(removal, 404, "not_found")
      const { body } = yield* call("GET", `/api/tenant/channels?cursor=${theirs.channel.id - 1}`, {
        bearer: theirs.api_key
      })
      assert.deepInclude(body.channels[0], { ...theirs.channel, who_may_speak: "everyone" })
      for (const query of ["", `?cursor=${theirs.channel.id - 1}`, `?tenant_id=${theirs.id}`, "?cursor=0&limit=200"]) {
        const list = yield* call("GET", `/api/tenant/channels${query}`, { bearer: mine.api_key })
        for (const { id } of list.body.channels) assert.strictEqual(id, mine.channel.id, query)
      }
      const standing = `/api/tenant/channels/${theirs.channel.id}/users/${theirs.ada.user.id}`
      assert.deepEqual((yield* call("GET", standing, { bearer: theirs.api_key })).body, {
        role: null,
        muted: false,
        removed: false
      })
    }))

  it.effect("shows the members of a channel to the tenant's own key and members alone", () =>
    Effect.gen(function* () {
      const mine = yield* Room.gathering()
      const theirs = yield* Room.gathering("bob")
      const refused = yield* mine.host.ask("join_channel", { channel_id: theirs.channelId })
      const absent = yield* mine.host.ask("join_channel", { channel_id: nobody })
      assert.deepEqual(refused.payload, absent.payload)
      yield* theirs.enter(theirs.people[0]!)
      assert.deepEqual(yield* mine.host.rest, [])
      assert.strictEqual((yield* theirs.byTenant("GET", "/members")).body.length, 2)
      const members = `/api/tenant/channels/${theirs.channelId}/members`
      Wire.isProblem(yield* call("GET", members, { bearer: mine.tenant.apiKey }), 404, "not_found")
      Wire.isProblem(yield* call("GET", members, { bearer: theirs.host.token }), 401, "invalid_api_key")
    }))

  it.effect("keeps users of one name, and of one custom_id, in two tenants apart", () =>
    Effect.gen(function* () {
      const mine = yield* tenant
      const theirs = yield* tenant
      assert.notStrictEqual(mine.bob.user.id, theirs.bob.user.id)
      const { body } = yield* Wire.me(mine.bob.token)
      assert.deepEqual([body.id, body.tenant_id, body.metadata], [mine.bob.user.id, mine.id, { secret: mine.app_id }])
    }))

  it.effect("signs nobody in with another app's id, and gives the answer that a wrong password gets", () =>
    Effect.gen(function* () {
      const mine = yield* tenant
      const theirs = yield* tenant
      const eve = yield* call("POST", "/api/tenant/users", {
        bearer: theirs.api_key,
        json: { username: "eve", password: "battery staple horse" }
      })
      assert.strictEqual(eve.status, 201)
      const crossed = yield* Wire.login(mine.app_id, "eve", "battery staple horse")
      const wrong = yield* Wire.login(mine.app_id, "ada", "wrong horse battery")
      Wire.isProblem(crossed, 401, "invalid_credentials")
      assert.deepEqual(Wire.shown(crossed), Wire.shown(wrong))
    }))

  it.effect("takes each credential for what it is and for nothing else", () =>
    Effect.gen(function* () {
      const mine = yield* tenant
      const keys: ReadonlyArray<string> = [mine.ada.token, mine.ada.refresh_token, mine.app_id, `vc_${mine.ada.token}`]
      for (const key of keys) {
        for (
          const [method, path, json] of [
            ["GET", "/api/tenant/users", undefined],
            ["POST", "/api/tenant/users", { username: "eve" }],
            ["PUT", `/api/tenant/users/${mine.ada.user.id}/password`, { password: Wire.password }],
            ["POST", "/api/auth/auto", { username: "eve" }],
            ["GET", "/api/admin/tenants", undefined],
            ["POST", "/api/admin/tenants", { name: "Eve" }]
          ] as const
        ) {
          Wire.isProblem(yield* call(method, path, { bearer: key, json }), 401, "invalid_api_key", `${method} ${path}`)
        }
      }
      for (const path of ["/api/admin/tenants"]) {
        Wire.isProblem(yield* call("GET", path, { bearer: mine.api_key }), 401, "invalid_api_key")
      }
      for (const token of [mine.api_key, mine.api_key.slice(3), mine.app_id, mine.ada.refresh_token]) {
        for (const path of ["/api/me", "/api/channels", "/ws"]) {
          Wire.isProblem(yield* call("GET", path, { bearer: token }), 401, "invalid_token", path)
          Wire.isProblem(yield* call("GET", `${path}?token=${token}`), 401, "invalid_token", path)
        }
        Wire.isProblem(yield* call("POST", "/api/ws-ticket", { bearer: token }), 401, "invalid_token")
        Wire.isProblem(yield* call("GET", `/ws?ticket=${token}`), 401, "invalid_token")
      }
    }))

  it.effect("takes no token whose id half is another tenant's, in either direction", () =>
    Effect.gen(function* () {
      const mine = yield* tenant
      const theirs = yield* tenant
      const crossed = theirs.ada.token.slice(0, 32) + mine.ada.token.slice(32)
      Wire.isProblem(yield* Wire.me(crossed), 401, "invalid_token")
      const key = theirs.api_key.slice(0, 35) + mine.api_key.slice(35)
      Wire.isProblem(yield* call("GET", "/api/tenant/users", { bearer: key }), 401, "invalid_api_key")
      Wire.isProblem(yield* Server.autoAuth(key, { username: "ada" }), 401, "invalid_api_key")
      assert.strictEqual((yield* Wire.me(theirs.ada.token)).status, 200)
      assert.strictEqual((yield* Wire.me(mine.ada.token)).status, 200)
    }))

  it.effect("opens no socket for another tenant's app, nor for an app that nobody has", () =>
    Effect.gen(function* () {
      const mine = yield* tenant
      const theirs = yield* tenant
      const refusal = (query: string) =>
        Effect.map(
          Raw.exchange(Raw.handshake(`/ws?token=${mine.ada.token}${query}`)),
          (answer) => [answer?.status, JSON.parse(answer?.text ?? "{}")]
        )
      const foreign = yield* refusal(`&app_id=${theirs.app_id}`)
      assert.deepEqual([foreign[0], foreign[1].code], [403, "app_mismatch"])
      for (
        const query of [
          `&app_id=vc_app_${"0".repeat(32)}`,
          "&app_id=",
          "&app_id=__proto__",
          `&app_id=${mine.app_id.toUpperCase()}`,
          `&app_id=${mine.app_id}&app_id=${theirs.app_id}`
        ]
      ) {
        assert.deepEqual(yield* refusal(query), foreign, query)
      }
      const { body } = yield* call("POST", "/api/ws-ticket", { bearer: mine.ada.token })
      const byTicket = yield* Raw.exchange(Raw.handshake(`/ws?ticket=${body.ticket}&app_id=${theirs.app_id}`))
      assert.deepEqual([byTicket?.status, JSON.parse(byTicket!.text)], foreign)
      const { ready } = yield* Raw.openSocket(mine.ada.token, `&app_id=${mine.app_id}`)
      assert.strictEqual(ready.user.id, mine.ada.user.id)
    }))
})
