// What is written to connections within one turn of the event loop leaves together at its end: each write by itself wakes
// its reader, which costs more than all the rest of passing a frame on, and what is for one reader goes by one write.
import type { Duplex } from "node:stream"

/** Bytes for one connection from which on nothing waits, and connections that may wait. */
const maxBytes = 16 * 1024
const maxConnections = 64

export interface TurnWrites {
  /** What is written to the connection from now on, by whomever, waits for the end of the turn. */
  readonly hold: (connection: Duplex) => void
  readonly write: (connection: Duplex, chunk: Buffer) => void
}

export const makeTurnWrites = (): TurnWrites => {
  let corked: Array<Duplex> = []
  let turnEnds = false

  const release = (): void => {
    const connections = corked
    corked = []
    for (const connection of connections) connection.uncork()
  }

  const endTurn = (): void => {
    turnEnds = false
    release()
  }

  const hold = (connection: Duplex): void => {
    if (connection.writableCorked > 0) return
    connection.cork()
    if (corked.push(connection) === maxConnections) release()
    else if (!turnEnds) {
      turnEnds = true
      setImmediate(endTurn)
    }
  }

  const write = (connection: Duplex, chunk: Buffer): void => {
    if (connection.writableLength + chunk.length < maxBytes) {
      hold(connection)
      connection.write(chunk)
    } else {
      connection.write(chunk)
      connection.uncork()
    }
  }

  return { hold, write }
}
