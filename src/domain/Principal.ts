// Who is calling, once a credential was accepted.
import type { ApiKeyId, AppId, SessionId, TenantId } from "./Ids.ts"
import type { User } from "./User.ts"

/** A user with a live session. `expiresIn`: what is left of the session token, in seconds. */
export interface SessionPrincipal {
  readonly sessionId: SessionId
  readonly tenantId: TenantId
  readonly appId: AppId
  readonly user: User
  readonly expiresIn: number
  /** How long ago the session's present token pair was made, in seconds. */
  readonly issuedAgo: number
  readonly allowedOrigins: ReadonlyArray<string>
  /** Whether the tenant takes session tokens in URLs. */
  readonly queryTokens: boolean
}

/** A tenant's backend. */
export interface TenantPrincipal {
  readonly tenantId: TenantId
  readonly apiKeyId: ApiKeyId
}
