// Instants as frames show them. A client counts by its own clock; `expires_in` is there for those that are wrong.
import { type Clock, DateTime } from "effect"

/** RFC 3339 in UTC, so many seconds from now. */
export const instantIn = (clock: Clock.Clock, seconds: number): string =>
  DateTime.formatIso(DateTime.makeUnsafe(clock.currentTimeMillisUnsafe() + Math.floor(seconds * 1000)))
