import { Context } from "effect"

/** Milliseconds that are left. */
export interface Patience {
  left: number
}

/** What the edge knows of who calls. Where there is no edge, nothing. */
export interface Caller {
  /** The client's IP address, in its canonical spelling. */
  readonly address: string | null
  readonly userAgent: string | null
  /**
   * How long the caller still waits for the store, in all; each call takes from it what it took. Without it each call
   * has its own time.
   */
  readonly patience: Patience | undefined
}

export const Caller = Context.Reference<Caller>("roomkey/services/Caller", {
  defaultValue: () => ({ address: null, userAgent: null, patience: undefined })
})
