// The limits of a socket, in one place: what it may send, what may wait for it, and how long its silence is borne.
import { Context, Duration } from "effect"

export interface SocketPolicy {
  /** Sockets that a user may have open at once on one instance. */
  readonly maxPerUser: number
  /** A longer message closes the socket with 1009. */
  readonly maxFrameBytes: number
  /** Frames a second that a client may keep up; more closes the socket with 4429. */
  readonly inboundPerSecond: number
  /** Frames that a client may send at once after a silence: an offer and its candidates to each of some twenty others. */
  readonly inboundBurst: number
  /** Bad frames in a row, each answered by `error`, of which the last closes the socket with 4400. */
  readonly maxBadInARow: number
  /** Bytes that may wait for a client beside the longest frame among them. One frame more closes the socket with 4408. */
  readonly outboxBytes: number
  readonly pingEvery: Duration.Duration
  /** Pings in a row that may go unanswered; then the socket is closed with 4408. */
  readonly missedPongs: number
  /** How long a client may take to answer a close before its connection is cut. */
  readonly closeTimeout: Duration.Duration
  /** How long before the end of a session token its sockets are told. */
  readonly tokenExpiringBefore: Duration.Duration
  /** How often the sessions that are due are read again. */
  readonly sweepEvery: Duration.Duration
  /** Members that a channel may have. Two instances that let somebody in at the same moment may pass it by one. */
  readonly maxMembers: number
  /** For how long changes of one member are gathered once one was told. */
  readonly gatherUpdates: Duration.Duration
  /** Over how long a stopping instance spreads its closes. */
  readonly drainOver: Duration.Duration
}

export const SocketPolicy = Context.Reference<SocketPolicy>("roomkey/ws/SocketPolicy", {
  defaultValue: () => ({
    maxPerUser: 20,
    maxFrameBytes: 64 * 1024,
    inboundPerSecond: 50,
    inboundBurst: 200,
    maxBadInARow: 5,
    outboxBytes: 256 * 1024,
    pingEvery: Duration.seconds(25),
    missedPongs: 2,
    closeTimeout: Duration.seconds(3),
    tokenExpiringBefore: Duration.minutes(5),
    sweepEvery: Duration.millis(500),
    drainOver: Duration.seconds(3),
    maxMembers: 1000,
    gatherUpdates: Duration.millis(50)
  })
})
