// A ticket becomes a principal once, by its session as it is now: for as long as the session token of now is good, be it
// the one that asked for the ticket or a later one.
import { Effect, Option, type Redacted } from "effect"
import type { SessionPrincipal } from "../../domain/Principal.ts"
import { TokenExpired } from "../../domain/Session.ts"
import { TenantSuspended } from "../../domain/Tenant.ts"
import { InvalidTicket } from "../../domain/Ticket.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { UserBanned } from "../../domain/User.ts"
import { TicketStore } from "../../services/TicketStore.ts"
import { TokenCodec } from "../../services/TokenCodec.ts"
import { principalOf } from "./Authenticate.ts"

/** The ticket is used whatever the answer. */
export const redeemTicket = Effect.fn("redeemTicket")(function* (ticket: Redacted.Redacted): Effect.fn.Return<
  SessionPrincipal,
  InvalidTicket | TokenExpired | UserBanned | TenantSuspended | StoreUnavailable,
  TokenCodec | TicketStore
> {
  const codec = yield* TokenCodec
  const store = yield* TicketStore
  const digest = codec.parseTicket(ticket)
  if (Option.isNone(digest)) return yield* new InvalidTicket()
  const found = yield* store.take(digest.value)
  if (Option.isNone(found)) return yield* new InvalidTicket()
  const record = found.value
  if (record.userBanned) return yield* new UserBanned({ userId: record.user.id })
  if (record.tenantSuspended) return yield* new TenantSuspended({ tenantId: record.tenantId })
  if (record.endReason !== null) return yield* new InvalidTicket()
  const principal = principalOf(record, "Current")
  return principal.expiresIn > 0 ? principal : yield* new TokenExpired()
})
