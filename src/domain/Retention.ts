// How long what is over is kept.
import { Context, Duration } from "effect"

export interface RetentionPolicy {
  /** A session after it ended or expired: meanwhile its tokens are answered as what they are. */
  readonly sessions: Duration.Duration
  /** An audit event. */
  readonly events: Duration.Duration
}

export const RetentionPolicy = Context.Reference<RetentionPolicy>("roomkey/domain/RetentionPolicy", {
  defaultValue: () => ({ sessions: Duration.days(7), events: Duration.days(365) })
})
