// The one error of the promise client. Programs switch on `code`: that of a problem, of an `error` frame, or the client's.
import type { FieldError } from "../api/Problems.ts"

/** Codes of what never reached the server, or got no answer that Roomkey gives. */
export type ClientCode =
  | "network"
  | "timeout"
  | "unexpected"
  | "signed_out"
  | "not_connected"
  | "disconnected"
  | "closed"

/** The codes of a refusal after which the tokens are worthless. On anything else they are kept. */
const ending = ["invalid_refresh_token", "refresh_token_reused", "user_banned"]

const passing = ["network", "timeout", "not_connected", "disconnected", "unavailable"]

/**
 * What every promise of the client rejects with.
 *
 * @example
 * ```ts
 * import { RoomkeyError } from "roomkey/client"
 *
 * try {
 *   await auth.login("ada", "not her password")
 * } catch (error) {
 *   if (error instanceof RoomkeyError && error.code === "invalid_credentials") console.log("Wrong name or password")
 *   else if (error instanceof RoomkeyError && error.retryable) console.log("Try again", error.retryAfter)
 *   else throw error
 * }
 * ```
 */
export class RoomkeyError extends Error {
  override readonly name = "RoomkeyError"
  /** The HTTP status; 0 where there was no answer, and for an `error` frame. */
  readonly status: number
  readonly code: string
  readonly detail: string
  /** Of `invalid_request`: every field that is wrong. */
  readonly errors: ReadonlyArray<typeof FieldError.Type>
  /** Seconds that the server asks to wait. */
  readonly retryAfter: number | undefined

  constructor({ cause, code, detail, errors = [], retryAfter, status = 0 }: {
    readonly code: ClientCode | (string & {})
    readonly detail: string
    readonly status?: number
    readonly errors?: ReadonlyArray<typeof FieldError.Type>
    readonly retryAfter?: number | undefined
    readonly cause?: unknown
  }) {
    super(`${code}: ${detail}`, cause === undefined ? undefined : { cause })
    this.status = status
    this.code = code
    this.detail = detail
    this.errors = errors
    this.retryAfter = retryAfter
  }

  /** The same call may succeed later. */
  get retryable(): boolean {
    return passing.includes(this.code) || this.status === 408 || this.status === 429 || this.status >= 500
  }

  /** The session is over, whatever is tried: sign in again. */
  get endsSession(): boolean {
    return this.status > 0 && ending.includes(this.code)
  }
}

export const toError = (error: unknown): RoomkeyError =>
  error instanceof RoomkeyError ? error : new RoomkeyError({ code: "unexpected", detail: String(error), cause: error })

export const signedOut = () => new RoomkeyError({ code: "signed_out", detail: "Nobody is signed in" })
