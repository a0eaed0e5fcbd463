// The operator's key: from the environment, or, with the embedded database, from a file that only its owner can read,
// made at the first start. With neither, no key opens the administration.
import { Effect, FileSystem, Layer, Option, Redacted, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { AdminKeyText, isEmbedded, type RoomkeyConfig } from "../Config.ts"
import { AdminKey } from "../services/AdminKey.ts"

export const pathOf = (config: Pick<RoomkeyConfig, "dataDir">): string => `${config.dataDir}/admin.key`

/** A file that holds anything but a key stops the start: an empty key would open the administration to everybody. */
const decodeKey = Schema.decodeEffect(Schema.RedactedFromValue(AdminKeyText))

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
      if (yield* files.exists(path)) return yield* decodeKey((yield* files.readFileString(path)).trim())
      const key = yield* generate
      yield* files.makeDirectory(config.dataDir, { recursive: true, mode: 0o700 })
      // Complete or not there at all: half a key must not be found at the next start.
      yield* files.writeFileString(`${path}.new`, `${key}\n`, { mode: 0o600 })
      yield* files.rename(`${path}.new`, path)
      return Redacted.make(key)
    })
  )
