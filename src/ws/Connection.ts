// One open socket, as the rest of this instance sees it: somebody to tell something, or to be rid of. Nothing here waits
// for the client: what it does not read is bounded below (server/ServerWebSocket), not by whoever writes.
import { Effect, Metric } from "effect"
import type { Socket } from "effect/socket"
import type { ServerFrame } from "../api/Frames.ts"
import type { SessionPrincipal } from "../domain/Principal.ts"
import { socketCloses } from "../Metrics.ts"
import type { Wire } from "./Wire.ts"

export class Connection {
  readonly id: string
  readonly principal: SessionPrincipal
  /** Nothing is read from it or written to it any more. */
  closed = false
  /** It will be closed in a moment, with many others: nothing more is told it. */
  leaving = false
  /** What is to be done at once when it is closed from either side. */
  whenClosed: Effect.Effect<void> = Effect.void
  readonly #wire: Wire

  constructor(id: string, principal: SessionPrincipal, wire: Wire) {
    this.id = id
    this.principal = principal
    this.#wire = wire
  }

  send(frame: ServerFrame): Effect.Effect<void> {
    return this.sendText(JSON.stringify(frame))
  }

  /** A frame that was encoded once for many. */
  sendText(text: string): Effect.Effect<void> {
    return Effect.sync(() => this.tell(text))
  }

  /** `sendText`, at once. */
  tell(text: string): void {
    if (!this.closed && !this.leaving) this.#wire.send(text)
  }

  /** Starts the close handshake. Frames that still arrive are not looked at. */
  close(event: Socket.CloseEvent): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.closed) return Effect.void
      this.closed = true
      this.#wire.end(event)
      return Effect.andThen(
        this.#end(),
        Metric.update(Metric.withAttributes(socketCloses, { code: String(event.code) }), 1)
      )
    })
  }

  /** The other side is gone. */
  gone(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closed = true
      return this.#end()
    })
  }

  #end(): Effect.Effect<void> {
    const { whenClosed } = this
    this.whenClosed = Effect.void
    return whenClosed
  }
}
