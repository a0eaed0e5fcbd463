// One user who opens sockets until the server has none left. A user may have so many open at once; one more is refused at
// the handshake, and other users do not notice (ASVS 17.3.1).
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Server from "../support/Server.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

const most = 3

const refused = Effect.fn("refused")(function* (token: string) {
  const answer = yield* Raw.exchange(Raw.handshake(`/ws?token=${token}`))
  assert.strictEqual(answer?.status, 429)
  assert.strictEqual(JSON.parse(answer!.text).code, "rate_limited")
})

layer(Server.layer({ MAX_SOCKETS_PER_USER: String(most) }), Wire.options)("SocketHoard", (it) => {
  it.effect("refuses one socket too many with 429, over all sessions of the user, and nobody else's", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const phone = yield* Wire.signIn(tenant)
      const laptop = yield* Wire.signIn(tenant)
      const sockets = [yield* Raw.openSocket(phone.token), yield* Raw.openSocket(laptop.token)]
      sockets.push(yield* Raw.openSocket(laptop.token))
      yield* refused(phone.token)
      yield* refused(laptop.token)
      yield* Raw.openSocket((yield* Wire.signIn(tenant, "bob")).token)
      sockets[0]!.connection.send(Raw.encode(Raw.opcode.close, Buffer.from([0x03, 0xe8])))
      yield* sockets[0]!.connection.closed
      // The server has answered the close a moment before it counts it.
      yield* Effect.suspend(() => Raw.openSocket(phone.token)).pipe(Effect.sandbox, Effect.retry({ times: 50 }))
      yield* refused(laptop.token)
    }))

  it.effect("lets no more through that come at the same moment", () =>
    Effect.gen(function* () {
      const { token } = yield* Wire.signIn(yield* Wire.makeTenant)
      const opened = yield* Effect.all(
        Array.from({ length: 12 }, () => Effect.exit(Raw.openSocket(token))),
        { concurrency: "unbounded" }
      )
      const alive = yield* Effect.filter(
        opened.flatMap((exit) => exit._tag === "Success" ? [exit.value.connection] : []),
        (connection) =>
          Effect.gen(function* () {
            connection.send(Raw.encode(Raw.opcode.text, '{"type":"ping"}'))
            return (yield* connection.json)?.type === "pong"
          })
      )
      assert.isAtMost(alive.length, most)
      assert.isAtLeast(alive.length, 1)
    }))
})
