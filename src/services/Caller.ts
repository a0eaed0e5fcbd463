import { Context } from "effect"

/** Milliseconds that are left, calls that are under way, and the moment in which the first of them began. */
export interface Patience {
  left: number
  underWay: number
  since: number
}

/** What the edge knows of who calls. Where there is no edge, nothing. */
export interface Caller {
  /** The client's IP address, in its canonical spelling. */
  readonly address: string | null
  readonly userAgent: string | null
  /**
   * How long the caller still waits for the store, in all; what calls take from it is the time in which any
   * is under way. Without it each call has its own time.
   */
  readonly patience: Patience | undefined
}

export const Caller = Context.Reference<Caller>("roomkey/services/Caller", {
  defaultValue: () => ({ address: null, userAgent: null, patience: undefined })
})
