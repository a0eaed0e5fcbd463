import { Effect, Option, type Redacted } from "effect"
import { type ApiKey, InvalidApiKey } from "../../domain/ApiKey.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { ApiKeyRepository } from "../../services/ApiKeyRepository.ts"
import { TokenCodec } from "../../services/TokenCodec.ts"

/** The key whose secret was presented, whether or not it may still be used: that is asked where it is used. */
export const verifyApiKey = Effect.fnUntraced(function* (
  apiKey: Redacted.Redacted
): Effect.fn.Return<ApiKey, InvalidApiKey | StoreUnavailable, ApiKeyRepository | TokenCodec> {
  const codec = yield* TokenCodec
  const keys = yield* ApiKeyRepository
  const presented = codec.parseApiKey(apiKey)
  if (Option.isNone(presented)) return yield* new InvalidApiKey()
  const key = yield* keys.find(presented.value.id)
  if (Option.isNone(key) || !codec.matches(key.value.digest, presented.value.digest)) return yield* new InvalidApiKey()
  yield* keys.markUsed(key.value.id)
  return key.value
})
