// Identities. Numbers name rows that people list (tenants, users, channels); UUIDs name the rows that credentials
// point at (sessions, API keys), and are the public half of those credentials.
import { Schema } from "effect"

export const TenantId = Schema.Int.pipe(Schema.brand("TenantId"))
export type TenantId = typeof TenantId.Type

export const UserId = Schema.Int.pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type

export const ChannelId = Schema.Int.pipe(Schema.brand("ChannelId"))
export type ChannelId = typeof ChannelId.Type

export const SessionId = Schema.String.check(Schema.isGUID()).pipe(Schema.brand("SessionId"))
export type SessionId = typeof SessionId.Type

export const ApiKeyId = Schema.String.check(Schema.isGUID()).pipe(Schema.brand("ApiKeyId"))
export type ApiKeyId = typeof ApiKeyId.Type

/** `vc_app_` and 32 lower-case hex characters; public, names a tenant to its apps. */
export const AppId = Schema.String.check(
  Schema.isPattern(/^vc_app_[0-9a-f]{32}$/, { message: "Expected an app id" })
).pipe(Schema.brand("AppId"))
export type AppId = typeof AppId.Type
