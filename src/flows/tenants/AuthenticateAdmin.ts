import { Effect, Redacted } from "effect"
import { InvalidAdminKey } from "../../domain/ApiKey.ts"
import { AdminKey } from "../../services/AdminKey.ts"
import { TokenCodec } from "../../services/TokenCodec.ts"

/** Succeeds for the operator's key only. */
export const authenticateAdmin = Effect.fn("authenticateAdmin")(function* (
  presented: Redacted.Redacted
): Effect.fn.Return<void, InvalidAdminKey, AdminKey | TokenCodec> {
  const codec = yield* TokenCodec
  const expected = yield* AdminKey
  const bytes = (key: Redacted.Redacted) => new TextEncoder().encode(Redacted.value(key))
  if (Redacted.value(presented) === "" || !codec.matches(bytes(expected), bytes(presented))) {
    return yield* new InvalidAdminKey()
  }
})
