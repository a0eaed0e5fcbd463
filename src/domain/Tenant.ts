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
}

export class TenantSuspended extends Schema.TaggedError<TenantSuspended>()("TenantSuspended", {
  tenantId: TenantId
}) {}

export class AppMismatch extends Schema.TaggedError<AppMismatch>()("AppMismatch", {}) {}
