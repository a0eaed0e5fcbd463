// Users of a file, made one call each, many at a time. Every user is one atomic call, and one who exists is left alone:
// so a run that ended half-way is finished by running it again.
import {
  Clock,
  Console,
  Duration,
  Effect,
  FileSystem,
  Option,
  Predicate,
  Ref,
  Schedule,
  Schema,
  Stdio,
  Stream
} from "effect"
import { HttpClient } from "effect/http"
import { fieldErrors } from "../api/Problems.ts"
import { NewUser } from "../api/Users.ts"
import * as Connection from "./Connection.ts"
import * as Output from "./Output.ts"
import * as Rows from "./Rows.ts"

export interface Counts {
  readonly created: number
  readonly exists: number
  readonly failed: number
}

export class SomeFailed extends Schema.TaggedError<SomeFailed>()("SomeFailed", { failed: Schema.Int }) {
  override get message(): string {
    return `${this.failed} ${this.failed === 1 ? "row" : "rows"} failed`
  }
}

interface Failed {
  readonly line: number
  readonly outcome: "failed"
  readonly reason: string
}

type Outcome = Failed | { readonly line: number; readonly outcome: "created" | "exists" }

/** About a minute: a restart of the instance, or of its database, is sat out. `Retry-After` lengthens a wait. */
const retries = {
  times: 10,
  schedule: Schedule.exponential("250 millis").pipe(
    Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(10))))
  )
}

const decodeRow = Schema.decodeUnknownEffect(NewUser)

/** What would meet every row after this one as well. */
const endsAll = ({ status }: Connection.Refused): boolean => status === 401 || status === 403

type Tenant = Effect.Success<ReturnType<typeof Connection.asTenant>>

const importRow = ({ call, client }: Tenant) => ({ fields, line }: Rows.Row) =>
  Effect.gen(function* () {
    const given = yield* Effect.fromResult(fields)
    const payload = yield* Effect.mapError(
      decodeRow(given, { errors: "all" }),
      ({ issue }) => Connection.describe(fieldErrors(issue))
    )
    return yield* call(client.users.create({ payload })).pipe(
      Effect.as<Outcome>({ line, outcome: "created" }),
      Effect.catchTag("Refused", (refused): Effect.Effect<Outcome, Connection.CallFailed | string> => {
        if (refused.code === "username_taken") return Effect.succeed({ line, outcome: "exists" })
        return Effect.fail(endsAll(refused) ? refused : refused.message)
      })
    )
  }).pipe(
    Effect.catchIf(Predicate.isString, (reason) => Effect.succeed<Outcome>({ line, outcome: "failed", reason }))
  )

const clearLine = "\r\u001b[K"

/** Where bad rows are told: in a file as NDJSON, or on standard error. */
const reporter = Effect.fnUntraced(function* (path: Option.Option<string>) {
  if (Option.isNone(path)) {
    const { stderrIsTerminal } = yield* Stdio.Stdio
    // In place of the line that says how far it is.
    const start = (yield* stderrIsTerminal) ? clearLine : ""
    return ({ line, reason }: Failed) => Console.error(`${start}line ${line}: ${Output.visible(reason)}`)
  }
  const files = yield* FileSystem.FileSystem
  const file = yield* files.open(path.value, { flag: "w", mode: 0o600 })
  return (failed: Failed) => {
    const { line, reason } = failed
    return file.writeAll(new TextEncoder().encode(`${JSON.stringify({ line, reason })}\n`))
  }
})

const total = ({ created, exists, failed }: Counts): number => created + exists + failed

/** One line on a terminal that says how far it is, rewritten twice a second until the scope closes. */
const showProgress = Effect.fnUntraced(function* (counts: Ref.Ref<Counts>) {
  const stdio = yield* Stdio.Stdio
  if (!(yield* stdio.stderrIsTerminal)) return
  const put = (text: string) =>
    Effect.ignore(Stream.run(Stream.succeed(clearLine + text), stdio.stderr({ endOnDone: false })))
  const began = yield* Clock.currentTimeMillis
  yield* Effect.addFinalizer(() => put(""))
  yield* Effect.gen(function* () {
    const rows = total(yield* Ref.get(counts))
    const seconds = ((yield* Clock.currentTimeMillis) - began) / 1000
    yield* put(`${rows} ${rows === 1 ? "row" : "rows"}, ${Math.round(rows / Math.max(seconds, 0.001))} a second`)
  }).pipe(Effect.delay("500 millis"), Effect.forever, Effect.forkScoped)
})

export interface Options extends Connection.Tenant, Output.Format {
  readonly file: string
  readonly format: Rows.Format
  readonly concurrency: number
  readonly errors: Option.Option<string>
}

const columns: Output.Columns<Counts> = [
  ["created", ({ created }) => created],
  ["exists", ({ exists }) => exists],
  ["failed", ({ failed }) => failed]
]

export const importUsers = Effect.fnUntraced(function* (options: Options) {
  // Whether there is anybody, and whether the key is good, is known at once rather than after a minute of retries.
  const { call, client } = yield* Connection.asTenant(options)
  yield* call(client.tenant.read({}))
  const files = yield* FileSystem.FileSystem
  const report = yield* reporter(options.errors)
  const counts = yield* Ref.make<Counts>({ created: 0, exists: 0, failed: 0 })
  const tenant = yield* Connection.asTenant(options, { retry: HttpClient.retryTransient(retries) })
  yield* Rows.rows(options.format, files.stream(options.file)).pipe(
    Stream.mapEffect(importRow(tenant), { concurrency: options.concurrency, unordered: true }),
    Stream.runForEach((row) =>
      Effect.andThen(
        Ref.update(counts, (before) => ({ ...before, [row.outcome]: before[row.outcome] + 1 })),
        row.outcome === "failed" ? report(row) : Effect.void
      )
    ),
    (running) => Effect.scoped(Effect.andThen(showProgress(counts), running)),
    // However it ends: who runs it again knows what is left.
    Effect.ensuring(
      Ref.get(counts).pipe(Effect.flatMap((counts) => Output.printOne(options, columns, counts)), Effect.ignore)
    )
  )
  const { failed } = yield* Ref.get(counts)
  if (failed > 0) return yield* new SomeFailed({ failed })
}, Effect.scoped)
