// A setting that would start a service which cannot work stops the start instead, and says which one it was.
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect } from "effect"
import { RoomkeyConfig } from "../src/Config.ts"

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
        LOG_FORMAT: ["yaml"]
      }
      for (const [name, values] of Object.entries(wrong)) {
        for (const value of values) {
          const error = yield* Effect.flip(read({ [name]: value }))
          assert.include(String(error), name, `${name}=${value}`)
        }
      }
    }))
})
