// A connection to nobody, for what is written and by how many writes.
import { Effect } from "effect"
import { Duplex } from "node:stream"

/** Takes everything at once, and keeps each write as text. */
export const recorder = () => {
  const writes: Array<string> = []
  const duplex = new Duplex({
    read: () => {},
    write: (chunk, _, done) => {
      writes.push(String(chunk))
      done()
    },
    writev: (chunks, done) => {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join(""))
      done()
    }
  })
  return { duplex, writes }
}

/** Until the turn of the event loop ends. */
export const turn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})
