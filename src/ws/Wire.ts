// The server's end of one socket, as what serves it needs it: nothing here waits and nothing fails. What is written to a
// client that does not read, or is gone, is the wire's to bound and to drop.
import type { Socket } from "effect/socket"

export interface Wire {
  /** Who hears what happens from now on. Named once, in the turn in which the handshake was answered. */
  readonly listen: (listener: WireListener) => void
  readonly send: (text: string) => void
  /** Starts the close handshake. */
  readonly end: (event: Socket.CloseEvent) => void
  /** Holds back what the client sends, in its own connection, or no more. Messages on their way are still heard. */
  readonly hold: (held: boolean) => void
}

export interface WireListener {
  /** A message: of text a string, else bytes. */
  readonly received: (data: string | Uint8Array) => void
  /** The connection is gone, after a close handshake or without one. The last that is heard. */
  readonly gone: (code: number) => void
}
