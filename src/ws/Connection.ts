// One open socket, as the rest of this instance sees it: somebody to tell something, or to be rid of. Nothing here waits
// for the client: what it does not read is bounded below (server/ServerWebSocket), not by whoever writes.
import type { Socket } from "effect/socket"
import type { ServerFrame } from "../api/Frames.ts"
import type { SessionPrincipal } from "../domain/Principal.ts"
import type { Wire } from "./Wire.ts"

export class Connection {
  readonly id: string
  readonly principal: SessionPrincipal
  /** Nothing is read from it or written to it any more. */
  closed = false
  /** It will be closed in a moment, with many others: nothing more is told it. */
  leaving = false
  /** What is to be done at once when it is closed from either side. */
  whenClosed: (() => void) | undefined
  readonly #wire: Wire
  readonly #countClose: (code: number) => void

  constructor(id: string, principal: SessionPrincipal, wire: Wire, countClose: (code: number) => void) {
    this.id = id
    this.principal = principal
    this.#wire = wire
    this.#countClose = countClose
  }

  send(frame: ServerFrame): void {
    this.tell(JSON.stringify(frame))
  }

  /** A frame that was encoded once for many. */
  tell(text: string): void {
    if (!this.closed && !this.leaving) this.#wire.send(text)
  }

  /** Starts the close handshake. Frames that still arrive are not looked at. */
  close(event: Socket.CloseEvent): void {
    if (this.closed) return
    this.closed = true
    this.#wire.end(event)
    this.#countClose(event.code)
    this.gone()
  }

  /** The other side is gone. */
  gone(): void {
    const { whenClosed } = this
    this.closed = true
    this.whenClosed = undefined
    whenClosed?.()
  }
}
