// What several groups of endpoints have in common.
import { DateTime, Schema } from "effect"

export const Timestamp = Schema.String.annotate({ description: "RFC 3339", format: "date-time" })

/** `millis` of the Unix epoch as a `Timestamp`. */
export const timestamp = (millis: number): string => DateTime.formatIso(DateTime.makeUnsafe(millis))

export const pageQuery = {
  cursor: Schema.optional(Schema.NumberFromString.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(0))),
  limit: Schema.optional(Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 200 })))
}
