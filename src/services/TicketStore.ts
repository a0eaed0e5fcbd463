import { Context, type Effect, type Option } from "effect"
import type { SessionId } from "../domain/Ids.ts"
import type { SessionRecord } from "../domain/Session.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"

/** Tickets by their digests, shared by all instances. */
export class TicketStore extends Context.Service<TicketStore, {
  /** Keeps a ticket for `ticketLife`, and of the session's others the newest. */
  readonly add: (sessionId: SessionId, digest: Uint8Array) => Effect.Effect<void, StoreUnavailable>
  /**
   * Takes the ticket away, whatever becomes of its use, and answers its session as it is now, live or not. Of calls at the
   * same moment one finds it. `StoreUnavailable` leaves open whether it is gone.
   */
  readonly take: (digest: Uint8Array) => Effect.Effect<Option.Option<SessionRecord>, StoreUnavailable>
}>()("roomkey/services/TicketStore") {}
