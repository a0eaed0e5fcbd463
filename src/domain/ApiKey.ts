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

export class InvalidApiKey extends Schema.TaggedError<InvalidApiKey>()("InvalidApiKey", {}) {}

export class InvalidAdminKey extends Schema.TaggedError<InvalidAdminKey>()("InvalidAdminKey", {}) {}
