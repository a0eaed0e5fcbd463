// Which credential an endpoint asks for, and who the caller turned out to be.
import { Context, type Redacted } from "effect"
import { HttpApiMiddleware } from "effect/http-api"
import type { SessionPrincipal, TenantPrincipal } from "../domain/Principal.ts"
import {
  InvalidApiKey,
  InvalidRequest,
  InvalidToken,
  TenantSuspended,
  TokenExpired,
  Unavailable,
  UserBanned
} from "./Problems.ts"

export class CurrentSession extends Context.Service<CurrentSession, SessionPrincipal>()(
  "roomkey/api/CurrentSession"
) {}

export class CurrentTenant extends Context.Service<CurrentTenant, TenantPrincipal>()("roomkey/api/CurrentTenant") {}

/** An API key that nobody has checked yet. */
export class PresentedKey extends Context.Service<PresentedKey, Redacted.Redacted>()("roomkey/api/PresentedKey") {}

/**
 * A session token in `Authorization: Bearer`, or, where its tenant allows it, in `?token=` on GET; different tokens in both
 * are refused.
 */
export class SessionToken extends HttpApiMiddleware.Service<SessionToken, { provides: CurrentSession }>()(
  "roomkey/api/SessionToken",
  { error: [InvalidRequest, InvalidToken, TokenExpired, UserBanned, TenantSuspended, Unavailable] }
) {}

/** An API key in `Authorization: Bearer` or `X-API-Key`, for flows that check it themselves. */
export class ApiKeyPresented extends HttpApiMiddleware.Service<ApiKeyPresented, { provides: PresentedKey }>()(
  "roomkey/api/ApiKeyPresented",
  { error: [InvalidRequest, InvalidApiKey] }
) {}

/** A tenant's API key, checked. */
export class ApiKey extends HttpApiMiddleware.Service<ApiKey, { provides: CurrentTenant }>()("roomkey/api/ApiKey", {
  error: [InvalidRequest, InvalidApiKey, TenantSuspended, Unavailable]
}) {}

/** The operator's key. */
export class AdminKey extends HttpApiMiddleware.Service<AdminKey>()("roomkey/api/AdminKey", {
  error: [InvalidRequest, InvalidApiKey]
}) {}

/** A request that does not fit its schema is answered by `invalid_request` with every field that is wrong. */
export class ValidRequest extends HttpApiMiddleware.Service<ValidRequest>()("roomkey/api/ValidRequest", {
  error: InvalidRequest
}) {}
