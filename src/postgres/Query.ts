// From a SQL statement to a typed answer in bounded time. What the database refuses for its own reasons is
// `StoreUnavailable`; a statement that is wrong is a bug, and so a defect.
import { PgClient, type PgPoolConfig } from "@effect/sql-pg/PgClient"
import {
  Clock,
  Context,
  Effect,
  Fiber,
  Layer,
  Metric,
  PartitionedSemaphore,
  Predicate,
  Schema,
  Semaphore
} from "effect"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { TenantId } from "../domain/Ids.ts"
import { StoreUnavailable } from "../domain/Unavailable.ts"
import { storeFailures } from "../Metrics.ts"
import { Caller } from "../services/Caller.ts"

/** Milliseconds that one call may take, short of the five seconds in which an outage must be answered. */
const patience = 4000

/**
 * A plan is kept with its statement: one made while a table was small would go on reading all of it after it has grown,
 * until somebody analyzes it. So none reads a whole table where an index will do; that it reads no whole index is for the
 * statement to see to. Where no index will do, the price that this sets would have the plan compiled, which takes longer
 * than running it.
 */
export const planning = { enable_seqscan: "off", jit: "off" }

/**
 * What a statement may cost the others on its connection: on a shared one they wait behind it. A lock that takes longer
 * is waited for again, on a connection of its own.
 */
export const startupParameters = { lock_timeout: "100ms", statement_timeout: "3500ms", ...planning }

/** Milliseconds for which whoever asks for a row that was locked is not let onto a shared connection. */
const contendedFor = 1000
/** Locked rows remembered; the oldest is forgotten first. */
const maxContended = 1000

const patientLocks = "set local lock_timeout = '3s'"
/** Who reads a great part of a table may read all of it. */
const wholeTables = "set local enable_seqscan = on"

/**
 * Milliseconds for which what need not be sent at once is gathered. All who wait for that wake together: it is one turn of
 * the program, and one write.
 */
const gatherFor = 100

/** Until the clock shows a multiple of `gatherFor`. */
export const untilGathered = Effect.flatMap(
  Clock.currentTimeMillis,
  (now) => Effect.sleep(gatherFor - now % gatherFor)
)

/**
 * SQLSTATEs by which the server, not the statement, is at fault: connection, resources, a full queue of notifications, operator,
 * system, standby.
 */
const serverFault = /^(08|53|54000|57|58|25006)/

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

/** How the adapters ask the database. */
export class Queries extends Context.Service<Queries, {
  readonly sql: PgClient
  /**
   * Runs `effect` for as long as its caller waits. What the database says of the statement itself is asked of `onError`
   * first. A statement that met a lock is run again on a connection of its own, and so, for a while, is every other that
   * names the same `row`.
   */
  readonly attempt: <A, E, R, E2 = never>(
    operation: string,
    effect: Effect.Effect<A, E | SqlError, R>,
    onError?: (error: SqlError) => E2 | undefined,
    row?: string
  ) => Effect.Effect<A, Exclude<E, SqlError> | E2 | StoreUnavailable, R>
  /**
   * Runs `effect` in a transaction, on a connection that nothing else uses meanwhile: for what may wait for a lock or
   * take its time. So many connections are given away like this that others are left.
   */
  readonly apart: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
  /** `apart`, for what reads all of a tenant and waits for no lock: one at a time, and tenants in turn. */
  readonly scanning: (
    tenantId: TenantId
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
}>()("roomkey/postgres/Queries") {
  static readonly layer: Layer.Layer<Queries, never, PgClient> = Layer.effect(
    Queries,
    Effect.gen(function* () {
      const sql = yield* PgClient
      const { maxConnections = 10 }: PgPoolConfig = sql.config
      // Those who met a lock wait among themselves: a row that stays locked holds up no transaction on another.
      const turns = yield* Semaphore.make(Math.max(1, Math.round(maxConnections / 4)))
      const afterALock = yield* Semaphore.make(Math.max(1, Math.round(maxConnections / 4)))
      const scans = yield* PartitionedSemaphore.make<TenantId>({ permits: 1 })
      const contended = new Map<string, number>()

      const onItsOwn = (turns: Pick<Semaphore.Semaphore, "withPermit">, setting: string) =>
      <A, E, R>(
        effect: Effect.Effect<A, E, R>
      ): Effect.Effect<A, E | SqlError, R> =>
        turns.withPermit(sql.withTransaction(Effect.andThen(sql.unsafe(setting), effect)))

      const apart = onItsOwn(turns, patientLocks)
      const patiently = onItsOwn(afterALock, patientLocks)
      const scanning = (tenantId: TenantId) => onItsOwn({ withPermit: scans.withPermit(tenantId) }, wholeTables)

      const remember = (row: string) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          contended.delete(row)
          contended.set(row, now + contendedFor)
          if (contended.size > maxContended) contended.delete(contended.keys().next().value!)
        })

      const isContended = (row: string, now: number): boolean => {
        const until = contended.get(row)
        if (until === undefined) return false
        if (until > now) return true
        contended.delete(row)
        return false
      }

      const run = <A, E, R>(
        effect: Effect.Effect<A, E, R>,
        row: string | undefined,
        now: number
      ): Effect.Effect<A, E | SqlError, R> => {
        if (row !== undefined && isContended(row, now)) return patiently(effect)
        return Effect.catchIf(
          effect,
          metALock,
          () => Effect.andThen(row === undefined ? Effect.void : remember(row), patiently(effect))
        )
      }

      const attempt = <A, E, R, E2 = never>(
        operation: string,
        effect: Effect.Effect<A, E | SqlError, R>,
        onError: (error: SqlError) => E2 | undefined = () => undefined,
        row?: string
      ): Effect.Effect<A, Exclude<E, SqlError> | E2 | StoreUnavailable, R> => {
        const translate = (error: SqlError): Effect.Effect<never, E2 | StoreUnavailable> => {
          const expected = onError(error)
          if (expected !== undefined) return Effect.fail(expected)
          return isUnavailable(error) ? unavailable(operation, error.reason.cause) : Effect.die(error)
        }
        return Effect.withFiber((fiber) => {
          const { left, now, spend } = timing(fiber)
          return (left === 0 ? late(operation) : Effect.timeoutOrElse(answeredInTime(run(effect, row, now)), {
            duration: left,
            orElse: () => late(operation)
          })).pipe(
            Effect.catchIf((error) => isSqlError(error), translate),
            // A transaction that cannot roll back, because its connection is gone, reports that as a defect.
            Effect.catchDefect((defect) =>
              isSqlError(defect) && isUnavailable(defect) ? translate(defect) : Effect.die(defect)
            ),
            Effect.ensuring(Effect.sync(spend))
          )
        }) as Effect.Effect<A, Exclude<E, SqlError> | E2 | StoreUnavailable, R>
      }

      return Queries.of({ sql, attempt, apart, scanning })
    })
  )
}

const metALock = (error: unknown): boolean => isSqlError(error) && error.reason._tag === "LockTimeoutError"

export const late = (operation: string) => unavailable(operation, "no answer in time")

/** How long the caller waits, in milliseconds from `now`; and what takes from its patience the time since. */
export const timing = (fiber: Fiber.Fiber<unknown, unknown>) => {
  const clock = fiber.getRef(Clock.Clock)
  const budget = fiber.getRef(Caller).patience
  const now = clock.currentTimeMillisUnsafe()
  if (budget === undefined) return { now, left: patience, spend: () => undefined }
  if (budget.underWay++ === 0) budget.since = now
  return {
    now,
    left: Math.max(0, Math.min(patience, budget.left - (now - budget.since))),
    spend: () => {
      if (--budget.underWay === 0) budget.left -= clock.currentTimeMillisUnsafe() - budget.since
    }
  }
}

/** Reads rows by their schema; a row of another shape is a bug. */
export const rows = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const array = Schema.Array(schema)
  SchemaJITCompiler.enable(array.ast)
  const decode = Schema.decodeUnknownEffect(array)
  return (rows: ReadonlyArray<unknown>) => Effect.orDie(decode(rows))
}

export const uniqueViolation = (error: SqlError): string | undefined =>
  error.reason._tag === "UniqueViolation" ? error.reason.constraint : undefined
