// Refusals that say nothing of the caller: try the same call again later.
import { Schema } from "effect"

/** The database did not answer, or asked for the statement to be tried again. Nothing may be concluded from it. */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  operation: Schema.String,
  cause: Schema.Defect()
}) {}

/** Every hashing slot is taken and the queue for them is full. */
export class HasherBusy extends Schema.TaggedError<HasherBusy>()("HasherBusy", {}) {}
