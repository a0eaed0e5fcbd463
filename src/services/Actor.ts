import { Context } from "effect"
import type { Actor as ActorOf } from "../domain/AuditEvent.ts"

/** Whom the edge has authorised. */
export const Actor = Context.Reference<ActorOf>("roomkey/services/Actor", {
  defaultValue: () => ({ kind: "anyone", apiKeyId: null })
})
