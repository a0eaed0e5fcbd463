// A tenant's secret key, `vc_` and 64 hex characters: key id and secret. Only the SHA-256 of the secret is kept.
import { type Redacted, Schema } from "effect"
import type { ApiKeyId, TenantId } from "./Ids.ts"

export interface ApiKey {
  readonly id: ApiKeyId
  readonly tenantId: TenantId
  readonly digest: Uint8Array
}

/** A key that was just made: `key` leaves once, in the answer of the call that made it. */
export interface MintedApiKey {
  readonly id: ApiKeyId
  readonly key: Redacted.Redacted
  readonly digest: Uint8Array
}

/** A key as it was presented: the id half in clear, the secret half already hashed. */
export interface PresentedApiKey {
  readonly id: ApiKeyId
  readonly digest: Uint8Array
}

/** A key as its tenant sees it: everything but the secret. Times are milliseconds of the Unix epoch. */
export interface ApiKeyInfo {
  readonly id: ApiKeyId
  readonly label: string | null
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly lastUsedAt: number | null
}

export class ApiKeyNotFound extends Schema.TaggedError<ApiKeyNotFound>()("ApiKeyNotFound", {}) {}

/** Without this key the tenant's backend could not call any more. */
export class LastApiKey extends Schema.TaggedError<LastApiKey>()("LastApiKey", {}) {}

/** Keys of a tenant that work at one time. */
export const maxApiKeys = 100

export class TooManyApiKeys extends Schema.TaggedError<TooManyApiKeys>()("TooManyApiKeys", {}) {}

export class InvalidApiKey extends Schema.TaggedError<InvalidApiKey>()("InvalidApiKey", {}) {}

export class InvalidAdminKey extends Schema.TaggedError<InvalidAdminKey>()("InvalidAdminKey", {}) {}
