import { Context } from "effect"

/** What the edge knows of who calls. Where there is no edge, nothing. */
export interface Caller {
  /** The client's IP address, in its canonical spelling. */
  readonly address: string | null
  readonly userAgent: string | null
  /** When the caller stops waiting, in milliseconds of the clock; without it each call of the store has its own time. */
  readonly deadline: number | undefined
}

export const Caller = Context.Reference<Caller>("roomkey/services/Caller", {
  defaultValue: () => ({ address: null, userAgent: null, deadline: undefined })
})
