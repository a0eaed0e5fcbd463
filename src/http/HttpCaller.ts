// Who makes a request. Most end without anybody asking where they came from.
import type { Caller, Patience } from "../services/Caller.ts"
import { clientOf, type Origin } from "./ClientAddress.ts"

/** Milliseconds that a request waits for the database in all, short of the five seconds in which it is answered. */
const patience = 4500

const maxUserAgent = 256

export class HttpCaller implements Caller {
  patience: Patience | undefined = { left: patience, underWay: 0, since: 0 }
  /** Seconds after which it is worth its while to ask again, if it is told so. */
  retryAfter: number | undefined
  readonly #request: Origin
  readonly #hops: number
  #address: string | null | undefined

  constructor(request: Origin, hops: number) {
    this.#request = request
    this.#hops = hops
  }

  get address(): string | null {
    if (this.#address === undefined) this.#address = clientOf(this.#request, this.#hops)?.address ?? null
    return this.#address
  }

  get userAgent(): string | null {
    return this.#request.headers["user-agent"]?.slice(0, maxUserAgent) ?? null
  }
}
