import { Context } from "effect"
import type { SessionId } from "../domain/Ids.ts"
import type { SessionRecord } from "../domain/Session.ts"

/**
 * A session as `TokenStore` last read it, as long as nothing is known to have changed since: what this instance changed is
 * read anew at once, what others changed within a second, and nothing is recalled while they are not heard. Good for a yes;
 * whoever would say no reads again. By default nothing is remembered.
 */
export interface RecentSessions {
  readonly recall: (sessionId: SessionId) => SessionRecord | undefined
}

export const RecentSessions = Context.Reference<RecentSessions>("roomkey/services/RecentSessions", {
  defaultValue: () => ({ recall: () => undefined })
})
