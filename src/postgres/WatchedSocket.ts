// A connection to PostgreSQL that does not wait for ever. A network can forget a connection without a word to either
// end; whoever has sent something and then read nothing for too long gives the connection up, so that the pool opens
// another. What an idle connection is worth is asked by TCP keep-alive.
// @effect-diagnostics globalTimers:off -- a socket has no fiber to wait in
import { connect, type NetConnectOpts, type Socket } from "node:net"

export interface Patience {
  /** Milliseconds after which silence means that nobody is there. */
  readonly silence: number
}

const keepAliveMillis = 5_000

/** Opens a connection that destroys itself once it has waited too long for an answer. */
export const watchedSocket = (to: NetConnectOpts, { silence }: Patience): Socket => {
  const socket = connect({ ...to, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMillis })
  let read = 0
  let writtenWhenRead = 0
  let silent = 0
  const step = silence / 4
  const watch = setInterval(() => {
    const { bytesRead, bytesWritten } = socket
    if (bytesRead !== read || bytesWritten === writtenWhenRead) {
      read = bytesRead
      writtenWhenRead = bytesWritten
      silent = 0
      return
    }
    silent += step
    if (silent >= silence) socket.destroy(new Error("PostgreSQL did not answer"))
  }, step)
  watch.unref()
  socket.once("close", () => clearInterval(watch))
  return socket
}
