// When to come back. What each close code asks of a client is decided here, once, as the README's table says it.

/** Milliseconds. */
export interface Backoff {
  readonly base: number
  readonly cap: number
}

/** For a network that fails, and an instance that is away. */
export const ordinary: Backoff = { base: 500, cap: 30_000 }

/** For who was told to slow down. */
export const slower: Backoff = { base: 5000, cap: 120_000 }

/** For what only a person can put right. */
export const slowest: Backoff = { base: 30_000, cap: 300_000 }

/** An instance that restarts is not met by everybody at once. */
export const restartPause = 5000

/** Full jitter: anything up to the exponential bound, so that clients that failed together do not come back together. */
export const fullJitter = ({ base, cap }: Backoff, attempt: number, random: () => number): number =>
  random() * Math.min(cap, base * 2 ** attempt)

/**
 * - `backoff`, `slow`: come back after a while, or after a longer one
 * - `pause`: the instance restarts; come back after a random pause
 * - `refresh`: come back at once with the next session token; if there is none, the session is over
 * - `suspended`: keep the tokens and ask seldom
 * - `sign_out`: the tokens are worthless
 * - `stop`: this client is broken; coming back would break again
 */
export type AfterClose = "backoff" | "slow" | "pause" | "refresh" | "suspended" | "sign_out" | "stop"

/**
 * What a close asks for.
 *
 * @example
 * ```ts
 * import { afterClose } from "roomkey/client"
 *
 * console.log(afterClose(1012, "restarting")) // pause
 * ```
 */
export const afterClose = (code: number, reason: string): AfterClose => {
  switch (code) {
    case 1002:
    case 1003:
    case 1007:
    case 1008:
    case 1009:
    case 1010:
    case 4400:
      return "stop"
    case 1012:
      return "pause"
    case 4401:
      return "refresh"
    case 4403:
      return reason === "user_banned" ? "sign_out" : "suspended"
    case 4429:
      return "slow"
    default:
      return "backoff"
  }
}
