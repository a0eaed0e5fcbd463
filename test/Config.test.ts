// A setting that would start a service which cannot work stops the start instead, and says which one it was.
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Option, Redacted } from "effect"
import { inspect } from "node:util"
import { RoomkeyConfig, servesDemo } from "../src/Config.ts"

const read = (environment: Record<string, string>) => RoomkeyConfig.parse(ConfigProvider.fromUnknown(environment))

describe("RoomkeyConfig", () => {
  it.effect("needs nothing", () =>
    Effect.gen(function* () {
      const config = yield* read({})
      assert.strictEqual(config.port, 4000)
      assert.strictEqual(Duration.toSeconds(config.accessTtl), 3600)
    }))

  it.effect("reads durations as people write them", () =>
    Effect.gen(function* () {
      const config = yield* read({ ACCESS_TTL: "90 seconds", REFRESH_GRACE: "1 minute", SESSION_TTL: "2 weeks" })
      assert.deepEqual(
        [config.accessTtl, config.refreshGrace, config.sessionTtl].map(Duration.toSeconds),
        [90, 60, 14 * 86_400]
      )
    }))

  it.effect("serves the demo with the embedded database only, unless it is told", () =>
    Effect.gen(function* () {
      const postgres = { DATABASE_URL: "postgres://localhost/roomkey" }
      const asked: ReadonlyArray<Record<string, string>> = [{}, postgres, { DEMO: "false" }, {
        ...postgres,
        DEMO: "true"
      }]
      const served = yield* Effect.forEach(asked, (environment) => Effect.map(read(environment), servesDemo))
      assert.deepEqual(served, [true, false, false, true])
    }))

  it.effect("refuses a wrong value by the variable's name", () =>
    Effect.gen(function* () {
      const wrong = {
        PORT: ["-1", "65536", "0x10", "1e3", "4000.5", " ", "many"],
        DATABASE_CONNECTIONS: ["4", "201"],
        ACCESS_TTL: ["1500 millis", "0 seconds", "-1 hour", "Infinity", "366 days", "soon"],
        SESSION_TTL: ["4000 days"],
        SOCKET_DRAIN: ["0 seconds", "4 seconds"],
        SHUTDOWN_DELAY: ["6 seconds", "500 millis"],
        HASH_CONCURRENCY: ["0", "0x2"],
        ROOMKEY_ADMIN_KEY: ["vc_admin_", `vc_admin_${"A".repeat(64)}`],
        LOG_FORMAT: ["yaml"],
        ICE_SERVERS: [
          "stun.example",
          "stun:",
          "stun://stun.example",
          "http://stun.example",
          "stun:stun.example:0",
          "stun:stun.example:65536",
          "stun:stun.example?transport=udp",
          "stun:me@stun.example",
          "stun:[::g]",
          "stun:stun.example stun:other.example",
          "turn:turn.example",
          "[",
          "[1]",
          "[{}]",
          '[{"urls":[]}]',
          '[{"urls":"stun.example"}]',
          '[{"urls":["stun:stun.example","turn:turn.example?transport=sctp"],"username":"u","credential":"c"}]',
          '[{"urls":["stun:stun.example","turn:turn.example"],"username":"u"}]',
          '[{"urls":"turns:turn.example","credential":"c"}]'
        ],
        TURN_URLS: ["stun:stun.example", "turn:turn.example", "turn:turn.example,"],
        TURN_SECRET: ["secret"],
        TURN_TTL: ["59 seconds", "25 hours"],
        DEMO: ["maybe"]
      }
      for (const [name, values] of Object.entries(wrong)) {
        for (const value of values) {
          const error = yield* Effect.flip(read({ [name]: value }))
          assert.include(String(error), name, `${name}=${value}`)
        }
      }
    }))

  it.effect("takes ICE servers as URLs, or as JSON with what they ask for", () =>
    Effect.gen(function* () {
      const servers = (text: string) => Effect.map(read({ ICE_SERVERS: text }), ({ iceServers }) => iceServers)
      assert.deepEqual(yield* servers(""), [])
      assert.deepEqual(yield* servers(" , "), [])
      assert.deepEqual(yield* servers("stun:stun.example, stuns:192.0.2.1:5349,stun:[2001:db8::1]:3478"), [
        { urls: ["stun:stun.example", "stuns:192.0.2.1:5349", "stun:[2001:db8::1]:3478"] }
      ])
      const json = [
        { urls: "stun:stun.example" },
        { urls: ["turn:turn.example?transport=tcp", "turns:turn.example"], username: "u", credential: "c" }
      ]
      assert.deepEqual(yield* servers(` ${JSON.stringify(json)}`), [
        { urls: ["stun:stun.example"] },
        { ...json[1], urls: ["turn:turn.example?transport=tcp", "turns:turn.example"], credential: Redacted.make("c") }
      ])
    }))

  it.effect("takes TURN servers with the secret they share, for an hour unless told otherwise", () =>
    Effect.gen(function* () {
      const turn = { TURN_URLS: "turn:turn.example:3478?transport=udp, turns:turn.example", TURN_SECRET: "secret" }
      const expected = {
        urls: ["turn:turn.example:3478?transport=udp", "turns:turn.example"],
        secret: Redacted.make("secret"),
        ttl: Duration.hours(1)
      }
      assert.deepEqual((yield* read(turn)).turn, Option.some(expected))
      const brief = yield* read({ ...turn, TURN_TTL: "1 minute" })
      assert.deepEqual(brief.turn, Option.some({ ...expected, ttl: Duration.minutes(1) }))
      assert.deepEqual((yield* read({ TURN_URLS: "", TURN_SECRET: "" })).turn, Option.none())
      assert.include(String(yield* Effect.flip(read({ ...turn, TURN_SECRET: "" }))), "TURN_SECRET")
    }))

  it.effect("says nothing of a secret in a value that it refuses, nor shows one that it takes", () =>
    Effect.gen(function* () {
      const refused: ReadonlyArray<Record<string, string>> = [
        { ICE_SERVERS: '[{"urls":"turn:turn.example","credential":"hunter2"}]' },
        { ICE_SERVERS: '[{"urls":"turn:turn.example?hunter2","username":"u","credential":"hunter2"}]' },
        { ICE_SERVERS: '[{"credential":"hunter2"}]' },
        { ICE_SERVERS: '["hunter2"' },
        { TURN_SECRET: "hunter2" }
      ]
      for (const environment of refused) {
        const error = yield* Effect.flip(read(environment))
        assert.notInclude(inspect(error, { depth: 3 }) + String(error), "hunter2", JSON.stringify(environment))
      }
      const taken = yield* read({
        ICE_SERVERS: '[{"urls":"turn:turn.example","username":"u","credential":"hunter2"}]',
        TURN_URLS: "turn:turn.example",
        TURN_SECRET: "hunter2"
      })
      assert.notInclude(inspect(taken, { depth: 10 }) + JSON.stringify(taken), "hunter2")
    }))
})
