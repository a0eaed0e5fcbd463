import { Duration, Effect, type Redacted } from "effect"
import type { SessionPrincipal } from "../../domain/Principal.ts"
import { ticketLife } from "../../domain/Ticket.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { TicketStore } from "../../services/TicketStore.ts"
import { TokenCodec } from "../../services/TokenCodec.ts"

/** A ticket for one socket of the caller's session. `expiresIn` is in seconds. */
export const issueTicket = Effect.fn("issueTicket")(function* (
  { sessionId }: SessionPrincipal
): Effect.fn.Return<
  { readonly ticket: Redacted.Redacted; readonly expiresIn: number },
  StoreUnavailable,
  TokenCodec | TicketStore
> {
  const codec = yield* TokenCodec
  const store = yield* TicketStore
  const { digest, ticket } = yield* codec.mintTicket
  yield* store.add(sessionId, digest)
  return { ticket, expiresIn: Duration.toSeconds(ticketLife) }
})
