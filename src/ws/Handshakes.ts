// The handshakes of sockets, as the HTTP server hears them: before they are requests.
import { Context, type Effect, type Scope } from "effect"
import type { Caller } from "../services/Caller.ts"
import type { Presentation } from "./Handshake.ts"
import type { Wire } from "./Wire.ts"

/** A handshake that waits for its answer: one of `accept` and `decline`, once; `decline` after an `accept` that failed. */
export interface Offer extends Presentation {
  /** What an HTTP request calls its `source`. */
  readonly source: object
  readonly method: string
  readonly requestId: string
  readonly caller: Caller
  /** Answers it and uses the socket in the same turn, unless the client is gone. */
  readonly accept: (use: (wire: Wire) => void) => void
  /** Makes it an HTTP request like any other. */
  readonly decline: () => void
}

export class Handshakes extends Context.Service<Handshakes, {
  /** Has `door` decide on each handshake for `/ws`, as long as the scope lives; until then each is a request. */
  readonly receive: (door: (offer: Offer) => void) => Effect.Effect<void, never, Scope.Scope>
}>()("roomkey/ws/Handshakes") {}
