import { Context, type Effect } from "effect"
import type { Action, RateLimited } from "../domain/RateLimit.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"

/** Allowances, one for each action and subject, shared by every instance except where the action says otherwise. */
export class RateLimits extends Context.Service<RateLimits, {
  /** Takes one. `RateLimited` when none is left, which costs the subject nothing more. */
  readonly take: (action: Action, subject: string) => Effect.Effect<void, RateLimited | StoreUnavailable>
  /** Gives one back that was taken in vain. */
  readonly giveBack: (action: Action, subject: string) => Effect.Effect<void, StoreUnavailable>
  /** Refuses a subject that this instance has seen run out; asks nobody, takes nothing. */
  readonly check: (action: Action, subject: string) => Effect.Effect<void, RateLimited>
}>()("roomkey/services/RateLimits") {}
