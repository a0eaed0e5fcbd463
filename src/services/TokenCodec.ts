import { Context, type Effect, type Option, type Redacted } from "effect"
import type { MintedApiKey, PresentedApiKey } from "../domain/ApiKey.ts"
import type { AppId } from "../domain/Ids.ts"
import type { HashedToken, MintedTokens, PresentedToken } from "../domain/Session.ts"
import type { MintedTicket } from "../domain/Ticket.ts"

/** Credentials and their halves: selector in clear, verifier only ever as its SHA-256. */
export class TokenCodec extends Context.Service<TokenCodec, {
  /** A new session's id (UUIDv7) and its first token pair. */
  readonly mintSession: Effect.Effect<MintedTokens>
  /** 64 lower-case hex characters, or nothing. */
  readonly parseToken: (token: Redacted.Redacted) => Option.Option<PresentedToken>
  /** The same of a token that is hashed where it is read, and kept by nobody: to redact one takes as long as to hash it. */
  readonly hashToken: (token: string) => Option.Option<HashedToken>
  /** The pair that follows `presented` under `salt`: the same arguments give the same pair, on every instance. */
  readonly successor: (presented: PresentedToken, salt: Uint8Array) => MintedTokens
  /** Fresh randomness for `successor`. */
  readonly salt: Effect.Effect<Uint8Array>
  readonly mintApiKey: Effect.Effect<MintedApiKey>
  /** `vc_` and 64 lower-case hex characters, or nothing. */
  readonly parseApiKey: (key: Redacted.Redacted) => Option.Option<PresentedApiKey>
  /** All random: who reads a ticket that was used learns nothing, not even its session. */
  readonly mintTicket: Effect.Effect<MintedTicket>
  /** The digest of 64 lower-case hex characters, or nothing. */
  readonly parseTicket: (ticket: Redacted.Redacted) => Option.Option<Uint8Array>
  readonly mintAppId: Effect.Effect<AppId>
  /** Equality in time that does not depend on where the arguments differ. */
  readonly matches: (left: Uint8Array, right: Uint8Array) => boolean
}>()("roomkey/services/TokenCodec") {}
