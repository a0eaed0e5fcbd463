// From a SQL statement to a typed answer in bounded time. What the database refuses for its own reasons is
// `StoreUnavailable`; a statement that is wrong is a bug, and so a defect.
import { Effect, Fiber, Metric, Predicate, Schema } from "effect"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { StoreUnavailable } from "../domain/Unavailable.ts"
import { storeFailures } from "../Metrics.ts"

/** Short of the five seconds in which an outage must be answered. */
const patience = "4 seconds"

/** SQLSTATE classes in which the server, not the statement, is at fault: connection, resources, operator, system. */
const serverFault = /^(08|53|57|58)/

/**
 * A connection that is not shared is given up only once its statement was called back, which may take longer than the
 * caller can wait: there the statement has a fiber of its own to end in. (Under Deno no connection is shared.)
 */
const answeredInTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  "Deno" in globalThis
    ? Effect.flatMap(
      Effect.forkDetach(effect),
      (fiber) => Effect.onInterrupt(Fiber.join(fiber), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
    : effect

export const sqlState = (error: SqlError): string | undefined => {
  const { cause } = error.reason
  return Predicate.hasProperty(cause, "code") && typeof cause.code === "string" ? cause.code : undefined
}

/** Whether the database could not answer, as opposed to: did not like the statement. */
export const isUnavailable = (error: SqlError): boolean => {
  switch (error.reason._tag) {
    case "ConnectionError":
    case "AuthenticationError":
    case "DeadlockError":
    case "SerializationError":
    case "LockTimeoutError":
    case "StatementTimeoutError":
      return true
    case "UnknownError":
      return serverFault.test(sqlState(error) ?? "")
    default:
      return false
  }
}

const unavailable = (operation: string, cause: unknown): Effect.Effect<never, StoreUnavailable> =>
  Metric.update(Metric.withAttributes(storeFailures, { operation }), 1).pipe(
    Effect.andThen(Effect.fail(new StoreUnavailable({ operation, cause })))
  )

/** Runs `effect` with the patience of the store. What the database says of the statement itself is asked of `onError` first. */
export const attempt = <A, E, R, E2 = never>(
  operation: string,
  effect: Effect.Effect<A, E | SqlError, R>,
  onError: (error: SqlError) => E2 | undefined = () => undefined
): Effect.Effect<A, Exclude<E, SqlError> | E2 | StoreUnavailable, R> => {
  const translate = (error: SqlError): Effect.Effect<never, E2 | StoreUnavailable> => {
    const expected = onError(error)
    if (expected !== undefined) return Effect.fail(expected)
    return isUnavailable(error) ? unavailable(operation, error.reason.cause) : Effect.die(error)
  }
  return answeredInTime(effect).pipe(
    Effect.timeoutOrElse({ duration: patience, orElse: () => unavailable(operation, "no answer in time") }),
    Effect.catchIf((error) => isSqlError(error), translate),
    // A transaction that cannot roll back, because its connection is gone, reports that as a defect.
    Effect.catchDefect((defect) => isSqlError(defect) && isUnavailable(defect) ? translate(defect) : Effect.die(defect))
  ) as Effect.Effect<A, Exclude<E, SqlError> | E2 | StoreUnavailable, R>
}

/** Reads rows by their schema; a row of another shape is a bug. */
export const rows = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(schema))
  return (rows: ReadonlyArray<unknown>) => Effect.orDie(decode(rows))
}

export const uniqueViolation = (error: SqlError): string | undefined =>
  error.reason._tag === "UniqueViolation" ? error.reason.constraint : undefined
