// The operator's key: from the environment, or, with the embedded database, from a file that only its owner can read,
// made at the first start. With neither, no key opens the administration.
import { Effect, FileSystem, Layer, Option, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { isEmbedded, type RoomkeyConfig } from "../Config.ts"
import { AdminKey } from "../services/AdminKey.ts"

export const pathOf = (config: RoomkeyConfig): string => `${config.dataDir}/admin.key`

const generate = Effect.sync(() => `vc_admin_${randomBytes(32).toString("hex")}`)

export const layer = (config: RoomkeyConfig) =>
  Layer.effect(
    AdminKey,
    Effect.gen(function* () {
      if (Option.isSome(config.adminKey)) return config.adminKey.value
      if (!isEmbedded(config)) {
        yield* Effect.logWarning("ROOMKEY_ADMIN_KEY is not set: administration over HTTP is closed")
        return Redacted.make(yield* generate)
      }
      const files = yield* FileSystem.FileSystem
      const path = pathOf(config)
      if (yield* files.exists(path)) return Redacted.make((yield* files.readFileString(path)).trim())
      const key = yield* generate
      yield* files.makeDirectory(config.dataDir, { recursive: true, mode: 0o700 })
      yield* files.writeFileString(path, `${key}\n`, { mode: 0o600, flag: "wx" })
      return Redacted.make(key)
    })
  )
