// One open socket, as the rest of this instance sees it: somebody to tell something, or to be rid of. Nothing here waits
// for the client: what it does not read is bounded below (server/ServerWebSocket), not by whoever writes.
import { Effect, Metric, Scheduler } from "effect"
import type { Socket } from "effect/socket"
import type { ServerFrame } from "../api/Frames.ts"
import type { SessionPrincipal } from "../domain/Principal.ts"
import { socketCloses } from "../Metrics.ts"

export class Connection {
  readonly id: string
  readonly principal: SessionPrincipal
  /** Nothing is read from it or written to it any more. */
  closed = false
  /** It will be closed in a moment, with many others: nothing more is told it. */
  leaving = false
  /** What is to be done at once when it is closed from either side. */
  whenClosed: Effect.Effect<void> = Effect.void
  readonly #writer: Socket.Writer

  constructor(id: string, principal: SessionPrincipal, writer: Socket.Writer) {
    this.id = id
    this.principal = principal
    this.#writer = writer
  }

  send(frame: ServerFrame): Effect.Effect<void> {
    return this.sendText(JSON.stringify(frame))
  }

  /** A frame that was encoded once for many. */
  sendText(text: string): Effect.Effect<void> {
    if (this.leaving) return Effect.void
    return this.#write(() => this.#writer.write(text))
  }

  /** Starts the close handshake. Frames that still arrive are not looked at. */
  close(event: Socket.CloseEvent): Effect.Effect<void> {
    return this.#write(() => {
      this.closed = true
      return this.#writer.write(event).pipe(
        Effect.andThen(Metric.update(Metric.withAttributes(socketCloses, { code: String(event.code) }), 1))
      )
    }).pipe(Effect.ensuring(this.#ended))
  }

  /** The other side is gone. */
  readonly gone: Effect.Effect<void> = Effect.suspend(() => {
    this.closed = true
    return this.#ended
  })

  readonly #ended: Effect.Effect<void> = Effect.suspend(() => {
    const { whenClosed } = this
    this.whenClosed = Effect.void
    return whenClosed
  })

  /**
   * A write to a `Socket` whose reader is gone waits for the next connection, which here never comes. So `closed` is
   * looked at in the same breath: no other fiber may run in between. What goes wrong in a write, the reader hears of.
   */
  #write(write: () => Effect.Effect<void, Socket.SocketError>): Effect.Effect<void> {
    return Effect.suspend(() => this.closed ? Effect.void : write()).pipe(
      Effect.provideService(Scheduler.PreventSchedulerYield, true),
      Effect.ignore
    )
  }
}
