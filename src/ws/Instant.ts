// Instants as frames show them. A client counts by its own clock; `expires_in` is there for those that are wrong.
import { Clock, DateTime, Effect } from "effect"

/** RFC 3339 in UTC, so many seconds from now. */
export const instantIn = (seconds: number): Effect.Effect<string> =>
  Effect.map(
    Clock.currentTimeMillis,
    (now) => DateTime.formatIso(DateTime.makeUnsafe(now + Math.floor(seconds * 1000)))
  )
