// How often is too often. Counted against who tries, never against whom: a stranger's failures may cost the stranger an
// answer, but never the owner of the account, who comes from elsewhere.
import { Context, Duration, Schema } from "effect"

export const Action = Schema.Literals([
  "login_account",
  "login_address",
  "refresh_failure",
  "registration",
  "channel",
  "auto_auth"
])
export type Action = typeof Action.Type

/** Whose allowance for what. */
export interface Claim {
  readonly action: Action
  readonly subject: string
}

export interface Allowance {
  readonly limit: number
  readonly window: Duration.Duration
}

/** What one subject may do: an account from an address, an address, a user, an API key. */
export const RateLimitPolicy = Context.Reference<Readonly<Record<Action, Allowance>>>(
  "roomkey/domain/RateLimitPolicy",
  {
    defaultValue: () => ({
      login_account: { limit: 10, window: Duration.minutes(15) },
      login_address: { limit: 100, window: Duration.minutes(15) },
      refresh_failure: { limit: 60, window: Duration.minutes(1) },
      registration: { limit: 20, window: Duration.hours(1) },
      channel: { limit: 1000, window: Duration.hours(1) },
      auto_auth: { limit: 60_000, window: Duration.minutes(1) }
    })
  }
)

/** The address of a caller that gives none. */
export const nobody = "nobody"

export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  /** Seconds until the next attempt may succeed. */
  retryAfter: Schema.Int
}) {}
