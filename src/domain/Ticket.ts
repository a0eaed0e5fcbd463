// A ticket opens one socket for the session that asked for it, so that a URL need not carry the session token. It is no
// token: it says nothing of its session, and REST does not know it.
import { Duration, type Redacted, Schema } from "effect"

/** From its issue, by the database's clock. */
export const ticketLife = Duration.seconds(30)

/** Unused tickets of one session; one more takes the place of the oldest. */
export const maxTickets = 10

/** 64 hex characters, with the digest that is kept of them. */
export interface MintedTicket {
  readonly ticket: Redacted.Redacted
  readonly digest: Uint8Array
}

/** Unknown, used, expired, or of a session that has ended. */
export class InvalidTicket extends Schema.TaggedError<InvalidTicket>()("InvalidTicket", {}) {}
