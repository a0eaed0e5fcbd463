// A tenant's backend names one of its users; the user is found or made, and signed in.
import { Effect, type Redacted } from "effect"
import type { InvalidApiKey } from "../../domain/ApiKey.ts"
import type { RateLimited } from "../../domain/RateLimit.ts"
import type { SignedIn } from "../../domain/Session.ts"
import type { TenantSuspended } from "../../domain/Tenant.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import type { CustomIdImmutable, CustomIdTaken, Profile, UserBanned } from "../../domain/User.ts"
import { Actor } from "../../services/Actor.ts"
import type { ApiKeyRepository } from "../../services/ApiKeyRepository.ts"
import type { AuditLog } from "../../services/AuditLog.ts"
import type { EventBus } from "../../services/EventBus.ts"
import { RateLimits } from "../../services/RateLimits.ts"
import type { TokenCodec } from "../../services/TokenCodec.ts"
import { TokenStore } from "../../services/TokenStore.ts"
import { withSpan } from "../Span.ts"
import { verifyApiKey } from "../tenants/VerifyApiKey.ts"
import { issueTokens } from "./IssueTokens.ts"

export const autoAuth = Effect.fnUntraced(function* (apiKey: Redacted.Redacted, profile: Profile): Effect.fn.Return<
  SignedIn,
  InvalidApiKey | RateLimited | TenantSuspended | UserBanned | CustomIdTaken | CustomIdImmutable | StoreUnavailable,
  ApiKeyRepository | TokenCodec | TokenStore | RateLimits | EventBus | AuditLog
> {
  const store = yield* TokenStore
  const limits = yield* RateLimits
  const { id, tenantId } = yield* verifyApiKey(apiKey)
  yield* limits.take("auto_auth", id)
  return yield* issueTokens(tenantId, "auto", (tokens) => store.openForProfile(tenantId, id, profile, tokens)).pipe(
    Effect.provideService(Actor, { kind: "tenant", apiKeyId: id })
  )
}, withSpan("autoAuth"))
