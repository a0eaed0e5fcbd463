// Frames leave no faster than the server takes them: many candidates at once would otherwise cost the socket (4429).
import type { Clock } from "./Platform.ts"

/** A little less than the server's own numbers, since the network may bunch up what was spread out. */
const burst = 150
const perSecond = 40

export class Outbox {
  readonly #clock: Clock
  readonly #write: (text: string) => void
  #waiting: Array<string> = []
  #left = burst
  #at: number
  #cancel: (() => void) | undefined

  constructor(clock: Clock, write: (text: string) => void) {
    this.#clock = clock
    this.#write = write
    this.#at = clock.now()
  }

  send(text: string): void {
    this.#waiting.push(text)
    if (this.#cancel === undefined) this.#flush()
  }

  clear(): void {
    this.#cancel?.()
    this.#waiting = []
  }

  #flush(): void {
    this.#cancel = undefined
    const now = this.#clock.now()
    this.#left = Math.min(burst, this.#left + Math.max(0, now - this.#at) / 1000 * perSecond)
    this.#at = now
    const count = Math.floor(this.#left)
    this.#left -= Math.min(count, this.#waiting.length)
    for (const text of this.#waiting.splice(0, count)) this.#write(text)
    if (this.#waiting.length > 0) this.#cancel = this.#clock.setTimeout(() => this.#flush(), 1000 / perSecond)
  }
}
