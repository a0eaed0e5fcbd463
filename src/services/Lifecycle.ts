import { Context, type Effect } from "effect"

/** Whether this instance takes traffic. */
export class Lifecycle extends Context.Service<Lifecycle, {
  readonly draining: () => boolean
  /** From now on `draining` is true. */
  readonly drain: Effect.Effect<void>
}>()("roomkey/services/Lifecycle") {}
