// Whether a session token is good, for another server of the tenant that was handed one (RFC 7662).
import { Effect, Option, type Redacted } from "effect"
import type { TenantId } from "../../domain/Ids.ts"
import type { SessionPrincipal } from "../../domain/Principal.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import type { TokenCodec } from "../../services/TokenCodec.ts"
import type { TokenStore } from "../../services/TokenStore.ts"
import { authenticate } from "../sessions/Authenticate.ts"

/** Nothing for a token that is not good, for whatever reason, and for one of another tenant. */
export const introspect = Effect.fn("introspect")(function* (
  tenantId: TenantId,
  token: Redacted.Redacted
): Effect.fn.Return<Option.Option<SessionPrincipal>, StoreUnavailable, TokenCodec | TokenStore> {
  const nobody = Effect.succeedNone
  const found = yield* Effect.asSome(authenticate(token)).pipe(
    Effect.catchTags({
      InvalidToken: () => nobody,
      TokenExpired: () => nobody,
      UserBanned: () => nobody,
      TenantSuspended: () => nobody
    })
  )
  return Option.filter(found, (principal) => principal.tenantId === tenantId)
})
