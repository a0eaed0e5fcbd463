import { Context, type Effect } from "effect"
import type { StoreUnavailable } from "../domain/Unavailable.ts"

/** Whether the database answers now. */
export class Database extends Context.Service<Database, {
  readonly ping: Effect.Effect<void, StoreUnavailable>
}>()("roomkey/services/Database") {}
