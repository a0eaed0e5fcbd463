import { Context, Effect } from "effect"
import type { Actor as ActorOf } from "../domain/AuditEvent.ts"

/** On whose behalf a flow runs: whom the edge has authorised, or who has proved in the flow who it is. */
export const Actor = Context.Reference<ActorOf>("roomkey/services/Actor", {
  defaultValue: () => ({ kind: "anyone", apiKeyId: null })
})

/** Runs what a user does who has proved who it is, by a session or by a password. */
export const asUser: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = Effect.provideService(
  Actor,
  { kind: "user", apiKeyId: null }
)
