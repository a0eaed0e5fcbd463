// A tenant's backend names one of its users; the user is found or made, and signed in.
import { Effect, Option, type Redacted } from "effect"
import { InvalidApiKey } from "../../domain/ApiKey.ts"
import type { SignedIn } from "../../domain/Session.ts"
import type { TenantSuspended } from "../../domain/Tenant.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import type { CustomIdImmutable, CustomIdTaken, Profile, UserBanned } from "../../domain/User.ts"
import { ApiKeyRepository } from "../../services/ApiKeyRepository.ts"
import type { EventBus } from "../../services/EventBus.ts"
import { TokenCodec } from "../../services/TokenCodec.ts"
import { TokenStore } from "../../services/TokenStore.ts"
import { issueTokens } from "./IssueTokens.ts"

export const autoAuth = Effect.fn("autoAuth")(function* (apiKey: Redacted.Redacted, profile: Profile): Effect.fn.Return<
  SignedIn,
  InvalidApiKey | TenantSuspended | UserBanned | CustomIdTaken | CustomIdImmutable | StoreUnavailable,
  ApiKeyRepository | TokenCodec | TokenStore | EventBus
> {
  const codec = yield* TokenCodec
  const keys = yield* ApiKeyRepository
  const store = yield* TokenStore
  const presented = codec.parseApiKey(apiKey)
  if (Option.isNone(presented)) return yield* new InvalidApiKey()
  const key = yield* keys.find(presented.value.id)
  if (Option.isNone(key) || !codec.matches(key.value.digest, presented.value.digest)) {
    return yield* new InvalidApiKey()
  }
  const { id, tenantId } = key.value
  return yield* issueTokens("auto", (tokens) => store.openForProfile(tenantId, id, profile, tokens))
})
