// A tenant's own settings, keys, and what it may ask of a token.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ActorKind, AuditDetail, AuditType } from "../domain/AuditEvent.ts"
import { ApiKeyId, SessionId, TenantId, UserId } from "../domain/Ids.ts"
import { TenantName } from "../domain/Tenant.ts"
import { ApiKey } from "./Authorization.ts"
import { pageQuery, Timestamp } from "./Common.ts"
import { LastApiKey, NotFound, TooManyApiKeys, Unavailable } from "./Problems.ts"

export const Settings = Schema.Struct({
  id: TenantId,
  name: Schema.String,
  app_id: Schema.String,
  registration_enabled: Schema.Boolean,
  allowed_origins: Schema.Array(Schema.String).annotate({
    description: "Origins of pages that may open a socket; none listed means any"
  }),
  password_min_length: Schema.NullOr(Schema.Int).annotate({ description: "`null`: the default" }),
  query_tokens: Schema.Boolean.annotate({ description: "Whether session tokens are taken from URLs (`?token=`)" })
})

/** An origin as a browser sends it: scheme, host and port, nothing after. */
const Origin = Schema.String.check(
  Schema.isMaxLength(512),
  Schema.makeFilter((text: string) => URL.parse(text)?.origin === text || "Expected an origin: https://app.example")
)

export const KeyInfo = Schema.Struct({
  id: ApiKeyId,
  label: Schema.NullOr(Schema.String),
  created_at: Schema.String,
  expires_at: Schema.NullOr(Schema.String),
  last_used_at: Schema.NullOr(Schema.String).annotate({ description: "To the minute" })
})

export const IssuedKey = Schema.Struct({
  ...KeyInfo.fields,
  api_key: Schema.String.annotate({ description: "The key itself; shown this once" })
})

export const Introspection = Schema.Union([
  Schema.Struct({
    active: Schema.Literal(true),
    sub: Schema.String.annotate({ description: "The user's id" }),
    username: Schema.String,
    custom_id: Schema.NullOr(Schema.String),
    tenant_id: TenantId,
    sid: Schema.String.annotate({ description: "The session's id" }),
    token_type: Schema.Literal("Bearer"),
    iat: Schema.Int,
    exp: Schema.Int
  }),
  Schema.Struct({ active: Schema.Literal(false) })
])

export const AuditEvent = Schema.Struct({
  id: Schema.Int,
  at: Timestamp,
  type: Schema.String.annotate({ description: `${AuditType.literals.join(", ")}; more may come` }),
  actor: ActorKind.annotate({
    description: "Who acted: the user itself, your backend, the operator, or somebody who has proved nothing"
  }),
  api_key_id: Schema.NullOr(ApiKeyId).annotate({ description: "The key by which your backend acted" }),
  user_id: Schema.NullOr(UserId).annotate({ description: "The user whom it concerns" }),
  session_id: Schema.NullOr(SessionId),
  address: Schema.NullOr(Schema.String),
  user_agent: Schema.NullOr(Schema.String),
  detail: Schema.NullOr(AuditDetail)
})

export const EventPage = Schema.Struct({
  events: Schema.Array(AuditEvent),
  next_cursor: Schema.NullOr(Schema.String).annotate({ description: "Pass as `cursor` for the next page" })
})

const Day = Schema.Struct({ day: Schema.String, sign_ins: Schema.Int, sockets: Schema.Int })
const Month = Schema.Struct({ month: Schema.String, sign_ins: Schema.Int, sockets: Schema.Int })

export const Usage = Schema.Struct({
  users: Schema.Int,
  live_sessions: Schema.Int,
  days: Schema.Array(Day).annotate({ description: "The last 31 days with any, newest first, in UTC" }),
  months: Schema.Array(Month).annotate({ description: "The last 12 months with any, newest first, in UTC" })
})

export class Tenant extends HttpApiGroup.make("tenant")
  .add(
    HttpApiEndpoint.get("read", "/api/tenant", { success: Settings, error: [NotFound, Unavailable] }).annotateMerge(
      OpenApi.annotations({ summary: "Your settings" })
    ),
    HttpApiEndpoint.patch("change", "/api/tenant", {
      payload: Schema.Struct({
        name: Schema.optionalKey(TenantName),
        registration_enabled: Schema.optionalKey(Schema.Boolean),
        allowed_origins: Schema.optionalKey(Schema.Array(Origin).check(Schema.isMaxLength(100))),
        password_min_length: Schema.optionalKey(
          Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 8, maximum: 128 })))
        ),
        query_tokens: Schema.optionalKey(Schema.Boolean)
      }),
      success: Settings,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Change your settings", description: "Absent fields stay." })),
    HttpApiEndpoint.get("keys", "/api/tenant/api-keys", {
      success: Schema.Array(KeyInfo),
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({ summary: "Your API keys, without their secrets" })),
    HttpApiEndpoint.post("issueKey", "/api/tenant/api-keys", {
      payload: Schema.Struct({
        label: Schema.optionalKey(TenantName),
        expires_in: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 315_360_000 })))
          .annotate({
            description: "Life in seconds; without it the key does not expire"
          })
      }),
      success: IssuedKey.pipe(HttpApiSchema.status(201)),
      error: [TooManyApiKeys, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "One more API key", description: "For rotation without downtime." })
    ),
    HttpApiEndpoint.delete("revokeKey", "/api/tenant/api-keys/:id", {
      params: { id: ApiKeyId },
      query: { force: Schema.optional(Schema.Literals(["true", "false"])) },
      success: HttpApiSchema.NoContent,
      error: [NotFound, LastApiKey, Unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Revoke an API key",
      description: "The last one that works only with `force=true`."
    })),
    HttpApiEndpoint.get("events", "/api/tenant/events", {
      query: pageQuery,
      success: EventPage,
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({
      summary: "What happened: sign-ins, refusals, revocations, changes",
      description: "Newest first. Events are written a moment after the call that they tell of."
    })),
    HttpApiEndpoint.get("usage", "/api/tenant/usage", { success: Usage, error: Unavailable }).annotateMerge(
      OpenApi.annotations({ summary: "How much: users, live sessions, sign-ins and sockets by day and month" })
    ),
    HttpApiEndpoint.post("introspect", "/api/tenant/introspect", {
      payload: Schema.Struct({ token: Schema.RedactedFromValue(Schema.String.check(Schema.isMaxLength(256))) }),
      success: Introspection,
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({
      summary: "Whether a session token is good (RFC 7662)",
      description: "For your other servers. A token of another tenant is as unknown as any."
    }))
  )
  .middleware(ApiKey)
  .annotateMerge(OpenApi.annotations({ title: "Tenant" })) {}
