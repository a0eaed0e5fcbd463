import { Context, type Effect } from "effect"
import type { Action, Claim, RateLimited } from "../domain/RateLimit.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"

/** Allowances, one for each action and subject, shared by every instance except where the action says otherwise. */
export class RateLimits extends Context.Service<RateLimits, {
  /** Takes one. `RateLimited` when none is left, which costs the subject nothing more. */
  readonly take: (action: Action, subject: string) => Effect.Effect<void, RateLimited | StoreUnavailable>
  /** Takes one of each, in this order, or none: `RateLimited` by the first claim that has none left. */
  readonly takeAll: (claims: ReadonlyArray<Claim>) => Effect.Effect<void, RateLimited | StoreUnavailable>
  /** Gives back what was taken in vain. Other instances see it a moment later. */
  readonly giveBack: (claims: ReadonlyArray<Claim>) => Effect.Effect<void>
  /** Refuses a subject that this instance has seen run out; asks nobody, takes nothing. */
  readonly check: (action: Action, subject: string) => Effect.Effect<void, RateLimited>
}>()("roomkey/services/RateLimits") {}
