// The errors of the wire: RFC 9457 problems with a stable `code`, coarser than the domain's on purpose.
import { Schema, SchemaIssue } from "effect"
import { HttpApiError } from "effect/http-api"

const problem = <const Code extends string, const Status extends number>(code: Code, status: Status, title: string) =>
  [{ type: `urn:roomkey:problem:${code}` as const, status, title }, { code: Schema.tag(code) }] as const

export const FieldError = Schema.Struct({
  path: Schema.String.annotate({ description: "Where in the request, dotted: `metadata`, `profile.name`" }),
  message: Schema.String
})

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** What a schema says of a value that does not fit: every field by path, and never the value. */
export const fieldErrors = (issue: SchemaIssue.Issue): ReadonlyArray<typeof FieldError.Type> =>
  format(issue).issues.map(({ message, path = [] }) => ({
    path: path.map((segment) => String(typeof segment === "object" ? segment.key : segment)).join("."),
    message
  }))

export class InvalidRequest extends HttpApiError.Problem<InvalidRequest>()(
  "InvalidRequest",
  { type: "urn:roomkey:problem:invalid_request", status: 400, title: "Invalid request" },
  { code: Schema.tag("invalid_request"), errors: Schema.optionalKey(Schema.Array(FieldError)) }
) {}

export class InvalidApiKey extends HttpApiError.Problem<InvalidApiKey>()(
  "InvalidApiKey",
  ...problem("invalid_api_key", 401, "The key is missing, unknown, expired or revoked")
) {}

export class InvalidToken extends HttpApiError.Problem<InvalidToken>()(
  "InvalidToken",
  ...problem("invalid_token", 401, "The session token is missing, unknown or revoked")
) {}

/** For a token that is good, and therefore its tenant's business. */
export const noQueryTokens = () => new InvalidToken({ detail: "This tenant accepts no tokens in the URL" })

export class TokenExpired extends HttpApiError.Problem<TokenExpired>()(
  "TokenExpired",
  ...problem("token_expired", 401, "The session token has expired: refresh it")
) {}

export class InvalidCredentials extends HttpApiError.Problem<InvalidCredentials>()(
  "InvalidCredentials",
  ...problem("invalid_credentials", 401, "App, username and password do not match")
) {}

export class InvalidRefreshToken extends HttpApiError.Problem<InvalidRefreshToken>()(
  "InvalidRefreshToken",
  ...problem("invalid_refresh_token", 401, "The refresh token is unknown, expired or revoked: sign in again")
) {}

export class RefreshTokenReused extends HttpApiError.Problem<RefreshTokenReused>()(
  "RefreshTokenReused",
  ...problem("refresh_token_reused", 401, "An old refresh token was presented: the session has been ended")
) {}

export class AppMismatch extends HttpApiError.Problem<AppMismatch>()(
  "AppMismatch",
  ...problem("app_mismatch", 403, "The token belongs to another app")
) {}

export class TenantSuspended extends HttpApiError.Problem<TenantSuspended>()(
  "TenantSuspended",
  ...problem("tenant_suspended", 403, "The tenant is suspended")
) {}

export class RegistrationDisabled extends HttpApiError.Problem<RegistrationDisabled>()(
  "RegistrationDisabled",
  ...problem("registration_disabled", 403, "The app does not let users register themselves")
) {}

export class UserBanned extends HttpApiError.Problem<UserBanned>()(
  "UserBanned",
  ...problem("user_banned", 403, "The user is banned")
) {}

export class OriginRefused extends HttpApiError.Problem<OriginRefused>()(
  "OriginRefused",
  ...problem("app_mismatch", 403, "The tenant does not allow this origin")
) {}

export class NotAllowed extends HttpApiError.Problem<NotAllowed>()(
  "NotAllowed",
  ...problem("not_allowed", 403, "Only a host of the channel may do that")
) {}

export class NotFound extends HttpApiError.Problem<NotFound>()(
  "NotFound",
  ...problem("not_found", 404, "Not found")
) {}

export class MethodNotAllowed extends HttpApiError.Problem<MethodNotAllowed>()(
  "MethodNotAllowed",
  ...problem("method_not_allowed", 405, "Method not allowed")
) {}

export class UsernameTaken extends HttpApiError.Problem<UsernameTaken>()(
  "UsernameTaken",
  ...problem("username_taken", 409, "The username is taken")
) {}

export class CustomIdTaken extends HttpApiError.Problem<CustomIdTaken>()(
  "CustomIdTaken",
  ...problem("custom_id_taken", 409, "Another user has this custom_id")
) {}

export class CustomIdImmutable extends HttpApiError.Problem<CustomIdImmutable>()(
  "CustomIdImmutable",
  ...problem("custom_id_immutable", 409, "The user's custom_id is set and cannot change")
) {}

export class LastApiKey extends HttpApiError.Problem<LastApiKey>()(
  "LastApiKey",
  ...problem("last_api_key", 409, "This is the tenant's last key that works: repeat with force=true to revoke it")
) {}

export class TooManyApiKeys extends HttpApiError.Problem<TooManyApiKeys>()(
  "TooManyApiKeys",
  ...problem("too_many_api_keys", 409, "The tenant has as many keys as it may: revoke one first")
) {}

export class PayloadTooLarge extends HttpApiError.Problem<PayloadTooLarge>()(
  "PayloadTooLarge",
  ...problem("payload_too_large", 413, "The body is larger than 64 KiB")
) {}

export class UnsupportedMediaType extends HttpApiError.Problem<UnsupportedMediaType>()(
  "UnsupportedMediaType",
  ...problem("unsupported_media_type", 415, "The body must be application/json")
) {}

export class RateLimited extends HttpApiError.Problem<RateLimited>()(
  "RateLimited",
  ...problem("rate_limited", 429, "Too many requests: try again later")
) {}

export class InternalError extends HttpApiError.Problem<InternalError>()(
  "InternalError",
  ...problem("internal_error", 500, "Something went wrong on the server")
) {}

export class Unavailable extends HttpApiError.Problem<Unavailable>()(
  "Unavailable",
  ...problem("unavailable", 503, "The service cannot answer now: try again")
) {}
