// A client that means harm, once its handshake is accepted: too fast, too big, malformed, or in pieces. Each ends in a
// close code of its own, or in nothing worse, and another socket goes on being served.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

const { binary, close, continuation, ping, pong, text } = Raw.opcode

const pingText = '{"type":"ping"}'

const socket = Effect.gen(function* () {
  const tenant = yield* Wire.makeTenant
  const { connection } = yield* Raw.openSocket((yield* Wire.signIn(tenant, "eve")).token)
  const other = yield* Raw.openSocket((yield* Wire.signIn(tenant)).token)
  const othersGoOn = Effect.gen(function* () {
    other.connection.send(Raw.encode(text, pingText))
    assert.deepEqual(yield* other.connection.json, { type: "pong", payload: {} })
    assert.strictEqual((yield* call("GET", "/health")).status, 200)
  })
  return { connection, othersGoOn }
})

const times = (count: number, frame: (n: number) => Buffer) =>
  Buffer.concat(Array.from({ length: count }, (_, n) => frame(n)))

/** What is sent, and the code that closes the socket for it. */
const fatal: ReadonlyArray<readonly [name: string, bytes: Buffer, code: number]> = [
  ["a thousand pings of its own kind", times(1000, () => Raw.encode(text, pingText)), 4429],
  ["a thousand unknown frames", times(1000, () => Raw.encode(text, '{"type":"nope"}')), 4400],
  ["five frames that are no JSON", times(5, () => Raw.encode(text, "{")), 4400],
  ["five empty frames", times(5, () => Raw.encode(text, "")), 4400],
  ["five frames without a type", times(5, () => Raw.encode(text, "{}")), 4400],
  ["five arrays of frames", times(5, () => Raw.encode(text, `[${pingText}]`)), 4400],
  ["a binary frame", Raw.encode(binary, pingText), 4400],
  ["an empty binary frame", Raw.encode(binary, ""), 4400],
  ["a frame of a byte over 64 KiB", Raw.encode(text, "x".repeat(65_537)), 1009],
  ["the announcement of a frame of a gigabyte", Raw.encode(text, "", { length: 1n << 30n }), 1009],
  ["the announcement of a frame of 2^63 bytes", Raw.encode(text, "", { length: 1n << 63n }), 1009],
  ["the announcement of a frame of 2^64 - 1 bytes", Raw.encode(text, "", { length: (1n << 64n) - 1n }), 1009],
  [
    "fragments that are too big together",
    Buffer.concat([
      Raw.encode(text, "x".repeat(40_000), { fin: false }),
      Raw.encode(continuation, "x".repeat(40_000))
    ]),
    1009
  ],
  [
    "ten thousand fragments of a byte",
    Buffer.concat([
      Raw.encode(text, "x", { fin: false }),
      times(10_000, () => Raw.encode(continuation, "x", { fin: false }))
    ]),
    1008
  ],
  [
    "ten thousand empty fragments",
    Buffer.concat([
      Raw.encode(text, "", { fin: false }),
      times(10_000, () => Raw.encode(continuation, "", { fin: false }))
    ]),
    1008
  ],
  ["a continuation of nothing", Raw.encode(continuation, "x"), 1002],
  [
    "a message inside a message",
    Buffer.concat([Raw.encode(text, "{", { fin: false }), Raw.encode(text, pingText)]),
    1002
  ],
  ["a frame without a mask", Raw.encode(text, pingText, { masked: false }), 1002],
  ["reserved bits", Raw.encode(text, pingText, { reserved: 7 }), 1002],
  ["the bit of a compression that was not agreed", Raw.encode(text, pingText, { reserved: 4 }), 1002],
  ["an unknown opcode", Raw.encode(3, pingText), 1002],
  ["an unknown control opcode", Raw.encode(11, ""), 1002],
  ["a control frame of 126 bytes", Raw.encode(ping, "x".repeat(126)), 1002],
  ["a control frame in fragments", Raw.encode(ping, "x", { fin: false }), 1002],
  ["text that is no UTF-8", Raw.encode(text, Buffer.from([0x22, 0xff, 0xfe, 0x22])), 1007],
  ["half a character at the end", Raw.encode(text, Buffer.from([0x22, 0xf0, 0x9f])), 1007],
  ["a close of one byte", Raw.encode(close, "x"), 1002],
  ["a close with a code that nobody may send", Raw.encode(close, Buffer.from([0x03, 0xed])), 1002],
  ["a close whose reason is no UTF-8", Raw.encode(close, Buffer.from([0x03, 0xe8, 0xff])), 1007],
  ["an HTTP request", Buffer.from("GET /api/me HTTP/1.1\r\nHost: x\r\n\r\n"), 1002]
]

layer(Server.layer(), Wire.options)("SocketFlood", (it) => {
  for (const [name, bytes, code] of fatal) {
    it.effect(`closes with ${code} on ${name}, and serves the others`, () =>
      Effect.gen(function* () {
        const { connection, othersGoOn } = yield* socket
        connection.send(bytes)
        assert.strictEqual((yield* connection.closed)?.code, code)
        yield* connection.ended
        yield* othersGoOn
      }))
  }

  it.effect("answers two hundred pings at once, and closes at the flood's first frame beyond its rate", () =>
    Effect.gen(function* () {
      const { connection } = yield* socket
      connection.send(times(1000, (n) => Raw.encode(text, `{"type":"ping","id":${n}}`)))
      let answered = 0
      for (;;) {
        const frame = yield* connection.frame
        if (frame?.opcode === close) break
        assert.strictEqual(JSON.parse(frame!.payload.toString()).id, answered++)
      }
      assert.isAtLeast(answered, 200)
      assert.isBelow(answered, 400)
    }))

  it.effect("says what is wrong with each of four bad frames, echoing no more than the id, and goes on", () =>
    Effect.gen(function* () {
      const { connection, othersGoOn } = yield* socket
      const bad = ["{", "5", '{"type":"ping","id":{"secret":1}}', '{"type":"secret-type","id":"4"}']
      connection.send(Buffer.concat(bad.map((frame) => Raw.encode(text, frame))))
      for (const [index] of bad.entries()) {
        const answer = yield* connection.json
        assert.deepEqual([answer.type, answer.payload.code], ["error", "invalid_request"])
        assert.strictEqual(answer.id, index === 3 ? "4" : undefined)
        assert.notInclude(JSON.stringify(answer), "secret")
      }
      connection.send(Raw.encode(text, pingText))
      assert.strictEqual((yield* connection.json).type, "pong")
      yield* othersGoOn
    }))

  it.effect("takes a message in a few fragments, control frames between them, and a frame of 64 KiB", () =>
    Effect.gen(function* () {
      const { connection } = yield* socket
      connection.send(Buffer.concat([
        Raw.encode(text, '{"type":', { fin: false }),
        Raw.encode(ping, "between"),
        Raw.encode(continuation, '"pi', { fin: false }),
        Raw.encode(pong, "unasked"),
        Raw.encode(continuation, 'ng"}')
      ]))
      const first = yield* connection.frame
      assert.deepEqual([first?.opcode, first?.payload.toString()], [pong, "between"])
      assert.strictEqual((yield* connection.json).type, "pong")
      const large = `{"type":"ping","payload":{"a":"${"x".repeat(65_536 - 34)}"}}`
      connection.send(Raw.encode(text, large.padEnd(65_536)))
      assert.strictEqual((yield* connection.json).type, "pong")
    }))

  it.effect("serves the frames that came in one piece with the handshake, and a frame byte by byte", () =>
    Effect.gen(function* () {
      const { token } = yield* Wire.signIn(yield* Wire.makeTenant)
      const connection = yield* Raw.connect
      connection.send(Buffer.concat([Buffer.from(Raw.handshake(`/ws?token=${token}`)), Raw.encode(text, pingText)]))
      assert.strictEqual((yield* connection.answer)?.status, 101)
      assert.strictEqual((yield* connection.json).type, "ready")
      assert.strictEqual((yield* connection.json).type, "pong")
      for (const byte of Raw.encode(text, pingText)) connection.send(Buffer.from([byte]))
      assert.strictEqual((yield* connection.json).type, "pong")
    }))

  it.effect("closes with 4429 on more protocol pings than a client may send of other frames, each read and answered", () =>
    Effect.gen(function* () {
      const { connection, othersGoOn } = yield* socket
      let answered = 0
      for (;;) {
        if (answered % 20 === 0) connection.send(times(20, () => Raw.encode(ping, "x")))
        const frame = yield* connection.frame
        if (frame?.opcode !== pong) {
          assert.deepEqual([frame?.opcode, frame?.payload.readUInt16BE(0)], [close, 4429])
          break
        }
        answered++
      }
      assert.isAbove(answered, 100)
      assert.isBelow(answered, 2000)
      yield* othersGoOn
    }))

  it.effect("cuts off who sends protocol pings faster than their pongs can leave", () =>
    Effect.gen(function* () {
      const { connection, othersGoOn } = yield* socket
      connection.send(times(5000, () => Raw.encode(ping, "x")))
      yield* connection.ended
      yield* othersGoOn
    }))

  it.effect("survives a hundred sockets that are cut in the middle of a frame", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const { token } = yield* Wire.signIn(tenant)
      const half = Raw.encode(text, pingText).subarray(0, 9)
      yield* Effect.replicateEffect(
        Effect.map(Raw.openSocket(token), ({ connection }) => {
          connection.send(half)
          connection.destroy()
        }),
        100,
        { concurrency: 20 }
      )
      const { connection } = yield* Raw.openSocket(token)
      connection.send(Raw.encode(text, pingText))
      assert.strictEqual((yield* connection.json).type, "pong")
    }))
})
