// How much one socket may say. Two numbers a socket and no allocation a frame: this runs before a frame is looked at.
import type { SocketPolicy } from "./SocketPolicy.ts"

export class Inbound {
  #tokens: number
  #at: number
  readonly #perMilli: number
  readonly #burst: number

  constructor(policy: Pick<SocketPolicy, "inboundPerSecond" | "inboundBurst">, now: number) {
    this.#tokens = policy.inboundBurst
    this.#at = now
    this.#perMilli = policy.inboundPerSecond / 1000
    this.#burst = policy.inboundBurst
  }

  /** Takes `frames` at `now`, in milliseconds; false when that is too many. A clock set back refills nothing. */
  take(now: number, frames = 1): boolean {
    const refill = Math.max(0, now - this.#at) * this.#perMilli
    this.#tokens = Math.min(this.#burst, this.#tokens + refill)
    this.#at = now
    if (this.#tokens < frames) return false
    this.#tokens -= frames
    return true
  }
}
