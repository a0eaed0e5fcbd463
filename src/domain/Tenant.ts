// A tenant: one customer's app with its users, channels and API keys. Nothing of it is visible to another tenant.
import { Schema } from "effect"
import { AppId, TenantId } from "./Ids.ts"
import { displayName } from "./Text.ts"

export const TenantName = displayName(128).pipe(Schema.brand("TenantName"))
export type TenantName = typeof TenantName.Type

export interface Tenant {
  readonly id: TenantId
  readonly name: string
  readonly appId: AppId
  readonly suspended: boolean
  /** Created, in milliseconds of the Unix epoch. */
  readonly createdAt: number
  readonly settings: TenantSettings
}

/** What a tenant decides for itself. */
export interface TenantSettings {
  /** Whether anybody who knows the app id may make an account. */
  readonly registrationEnabled: boolean
  /** Origins of pages that may open a socket; none listed means any. */
  readonly allowedOrigins: ReadonlyArray<string>
  /** The fewest characters of a new password, where it is not the default. */
  readonly passwordMinLength: number | null
  /** Whether session tokens are taken from URLs, where logs and histories keep them. */
  readonly queryTokens: boolean
}

export interface TenantChange extends Partial<TenantSettings> {
  readonly name?: TenantName | undefined
  readonly suspended?: boolean | undefined
}

export class TenantNotFound extends Schema.TaggedError<TenantNotFound>()("TenantNotFound", {}) {}

export class RegistrationDisabled extends Schema.TaggedError<RegistrationDisabled>()("RegistrationDisabled", {}) {}

export class TenantSuspended extends Schema.TaggedError<TenantSuspended>()("TenantSuspended", {
  tenantId: TenantId
}) {}

export class AppMismatch extends Schema.TaggedError<AppMismatch>()("AppMismatch", {}) {}
