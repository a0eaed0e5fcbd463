// What one instance tells itself and the others. Events may arrive twice; each says something that stays true.
import { Data } from "effect"
import type { SessionId, TenantId, UserId } from "./Ids.ts"
import type { EndReason } from "./Session.ts"

export type Event = Data.TaggedEnum<{
  /** These sessions are over: no token of theirs is accepted any more. */
  SessionsEnded: { readonly sessionIds: ReadonlyArray<SessionId>; readonly reason: EndReason }
  /** What is said of this user is something else now. */
  UserChanged: { readonly userId: UserId }
  /** How the users of this tenant are served is something else now. */
  TenantChanged: { readonly tenantId: TenantId }
  /** Events may have been missed: whoever holds derived state must look at the database again. */
  Gap: {}
}>
export const Event = Data.taggedEnum<Event>()
