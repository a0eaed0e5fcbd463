// Every counter, gauge and histogram, once. Names follow Prometheus: unit and `_total` in the name.
import { type Context, Effect, Function, Metric, type Scope } from "effect"

/** The metric by each value that an attribute may have. */
const by = <Name extends string, Value extends string, Input, State>(
  metric: Metric.Metric<Input, State>,
  name: Name,
  values: ReadonlyArray<Value>
) =>
  Object.fromEntries(
    values.map((value) => [value, Metric.withAttributes(metric, { [name]: value })])
  ) as Readonly<Record<Value, Metric.Metric<Input, State>>>

/** Has a gauge read by who asks for it, as long as the scope lives. */
export const reading = (gauge: Metric.Gauge<number>, read: () => number): Effect.Effect<void, never, Scope.Scope> =>
  Effect.contextWith((context: Context.Context<Scope.Scope>) =>
    Effect.acquireRelease(
      Effect.sync(() =>
        Metric.registerUnsafe(gauge, context, {
          get: () => ({ value: read() }),
          update: Function.constVoid,
          modify: Function.constVoid
        })
      ),
      (registration) => Effect.sync(() => registration.remove())
    )
  )

export const sessionsIssued = by(
  Metric.counter("roomkey_sessions_issued_total", {
    description: "Sessions opened, by method (auto, password, register)",
    incremental: true
  }),
  "method",
  ["auto", "password", "register"]
)

export const sessionsEnded = Metric.counter("roomkey_sessions_ended_total", {
  description: "Sessions ended before they expired, by reason",
  incremental: true
})

export const refreshes = by(
  Metric.counter("roomkey_refreshes_total", {
    description: "Refreshes by outcome (rotated, repeated, replaced, reused)",
    incremental: true
  }),
  "outcome",
  ["rotated", "repeated", "replaced", "reused"]
)

export const passwordChecks = by(
  Metric.counter("roomkey_password_checks_total", {
    description: "Password logins by outcome (right, refused)",
    incremental: true
  }),
  "outcome",
  ["right", "refused"]
)

export const hashQueue = Metric.gauge("roomkey_hash_queue", {
  description: "Password hashes running or waiting"
})

export const hashRejections = Metric.counter("roomkey_hash_rejections_total", {
  description: "Password hashes refused because the queue was full",
  incremental: true
})

export const requests = Metric.counter("roomkey_http_requests_total", {
  description: "Answered requests by route and status",
  incremental: true
})

export const requestSeconds = Metric.histogram("roomkey_http_request_seconds", {
  description: "Time to answer a request, in seconds",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
})

export const sockets = Metric.gauge("roomkey_sockets", { description: "Open signalling sockets on this instance" })

export const socketCloses = Metric.counter("roomkey_socket_closes_total", {
  description: "Sockets closed by the server, by close code",
  incremental: true
})

export const channelMembers = Metric.gauge("roomkey_channel_members", {
  description: "Sockets of this instance that are in a channel"
})

export const relaysDropped = Metric.counter("roomkey_relays_dropped_total", {
  description: "Signals for other instances lost because the database was away for too long",
  incremental: true
})

export const auditDropped = Metric.counter("roomkey_audit_dropped_total", {
  description: "Audit events lost because the database was away for too long, or would not have them",
  incremental: true
})

export const storeFailures = Metric.counter("roomkey_store_failures_total", {
  description: "Database calls that were answered by unavailable",
  incremental: true
})
