// What is written to connections within one turn of the event loop leaves together at its end: each write by itself wakes
// its reader, which costs more than all the rest of passing a frame on, and what is for one reader goes by one write.
import type { Duplex } from "node:stream"

/** Bytes for one connection from which on nothing waits, and connections that may wait. */
const maxBytes = 16 * 1024
const maxConnections = 64

export const makeTurnWrites = (): (connection: Duplex, chunk: Buffer) => void => {
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

  return (connection, chunk) => {
    if (connection.writableLength + chunk.length >= maxBytes) {
      connection.write(chunk)
      connection.uncork()
      return
    }
    if (connection.writableCorked === 0) {
      connection.cork()
      if (corked.push(connection) === maxConnections) release()
      else if (!turnEnds) {
        turnEnds = true
        setImmediate(endTurn)
      }
    }
    connection.write(chunk)
  }
}
