import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, FileSystem, Layer, Redacted } from "effect"
import { RoomkeyConfig } from "../../src/Config.ts"
import { pathOf } from "../../src/server/AdminKeyFile.ts"
import * as AdminKeyFile from "../../src/server/AdminKeyFile.ts"
import { AdminKey } from "../../src/services/AdminKey.ts"

const inEmptyDirectory = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const dataDir = yield* files.makeTempDirectoryScoped()
  return yield* RoomkeyConfig.parse(ConfigProvider.fromUnknown({ DATA_DIR: dataDir }))
})

const keyOf = (config: RoomkeyConfig) =>
  Effect.scoped(
    Effect.map(Layer.build(AdminKeyFile.layer(config)), ({ mapUnsafe }) =>
      Redacted.value(mapUnsafe.get(AdminKey.key) as Redacted.Redacted))
  )

describe("AdminKeyFile", () => {
  it.effect("makes a key at the first start and finds it at the next", () =>
    Effect.gen(function* () {
      const config = yield* inEmptyDirectory
      const key = yield* keyOf(config)
      assert.match(key, /^vc_admin_[0-9a-f]{64}$/)
      assert.strictEqual(yield* keyOf(config), key)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.effect("does not start on a file that holds no key, be it empty, half a key or something else", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const config = yield* inEmptyDirectory
      for (const text of ["", "\n", "vc_admin_", `vc_admin_${"0".repeat(63)}`, "x"]) {
        yield* files.writeFileString(pathOf(config), text)
        assert.isTrue(Exit.isFailure(yield* Effect.exit(keyOf(config))), JSON.stringify(text))
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})
