// What is written to connections within one turn of the event loop leaves together at its end: each write by itself wakes
// its reader, which costs more than all the rest of passing a frame on, and what is for one reader goes by one write.
import type { Duplex } from "node:stream"

/** Bytes for one connection from which on nothing waits, and connections that may wait. */
const maxBytes = 16 * 1024
const maxConnections = 64

/** How many turns may end before an answer to a handshake leaves. */
const handshakeTurns = 4

export interface TurnWrites {
  readonly write: (connection: Duplex, chunk: Buffer) => void
  /**
   * What is written to the connection from now on waits until a turn has brought no other handshake: the runtime accepts one
   * connection a turn, so that those of a rush come turn after turn. One that comes alone waits for the end of the next turn.
   */
  readonly holdForHandshake: (connection: Duplex) => void
}

/** Holds connections until a turn that brought no more of them, or the `maxTurns`th turn, ends. */
const makeHold = (maxTurns: number): (connection: Duplex) => void => {
  let held: Array<Duplex> = []
  /** Of these, those of turns before. */
  let earlier = 0
  let turns = 0

  const release = (): void => {
    const connections = held
    held = []
    earlier = 0
    for (const connection of connections) connection.uncork()
  }

  const endTurn = (): void => {
    if (turns < maxTurns && held.length > earlier) {
      earlier = held.length
      turns++
      setImmediate(endTurn)
    } else {
      turns = 0
      release()
    }
  }

  return (connection) => {
    if (held.length === maxConnections) release()
    connection.cork()
    held.push(connection)
    if (turns === 0) {
      turns = 1
      setImmediate(endTurn)
    }
  }
}

export const makeTurnWrites = (): TurnWrites => {
  const hold = makeHold(1)
  return {
    write: (connection, chunk) => {
      if (connection.writableLength + chunk.length < maxBytes) {
        if (connection.writableCorked === 0) hold(connection)
        connection.write(chunk)
      } else {
        connection.write(chunk)
        connection.uncork()
      }
    },
    holdForHandshake: makeHold(handshakeTurns)
  }
}
