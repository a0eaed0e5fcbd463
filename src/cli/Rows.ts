// A file of users, row by row and never as a whole: what each row says or why it cannot be read, and the line on which
// it begins. A row that is broken costs no other.
import { Effect, Option, Predicate, Result, Schema, Stream } from "effect"
import { Csv } from "effect/encoding"

export type Format = "csv" | "ndjson"

export interface Row {
  readonly line: number
  readonly fields: Result.Result<Readonly<Record<string, unknown>>, string>
}

export const fields: ReadonlyArray<string> = ["username", "custom_id", "picture_url", "metadata", "password_hash"]

/** The file as a whole is none of users. */
export class UnreadableFile extends Schema.TaggedError<UnreadableFile>()("UnreadableFile", {
  message: Schema.String
}) {}

/** Several times what the API accepts, so that no row which is good is too long. */
const maxRowBytes = 256 * 1024

interface Line {
  readonly line: number
  /** With its line break, which may be within quotes. */
  readonly text: Result.Result<string, string>
}

const lineFeed = 0x0a

/** Decoded a line at a time, without a byte order mark: bytes that are no UTF-8 spoil their line only. */
class Lines {
  #line = 1
  #pieces: Array<Uint8Array> = []
  #size = 0

  push(bytes: Uint8Array): ReadonlyArray<Line> {
    const lines: Array<Line> = []
    let start = 0
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, start)) {
      this.#keep(bytes.subarray(start, end + 1))
      lines.push(this.#take())
      start = end + 1
    }
    this.#keep(bytes.slice(start))
    return lines
  }

  end(): ReadonlyArray<Line> {
    return this.#size === 0 ? [] : [this.#take()]
  }

  #keep(piece: Uint8Array): void {
    this.#size += piece.length
    if (this.#size > maxRowBytes) this.#pieces = []
    else this.#pieces.push(piece)
  }

  #take(): Line {
    const [pieces, size] = [this.#pieces, this.#size]
    this.#pieces = []
    this.#size = 0
    return {
      line: this.#line++,
      text: size > maxRowBytes ? Result.fail("Expected at most 256 KiB") : decode(pieces)
    }
  }
}

const decode = (pieces: ReadonlyArray<Uint8Array>): Result.Result<string, string> =>
  Result.try({
    try: () => {
      const decoder = new TextDecoder("utf-8", { fatal: true })
      return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode()
    },
    catch: () => "Expected UTF-8"
  })

const lines = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Line, E, R> =>
  bytes.pipe(
    Stream.mapAccum(() => new Lines(), (state, chunk) => [state, state.push(chunk)], {
      onHalt: (state) => state.end()
    })
  )

const isBlank = ({ text }: Line): boolean => Result.isSuccess(text) && text.success.trim() === ""

interface CsvRecord {
  readonly line: number
  readonly cells: Result.Result<Csv.Row, string>
}

/** The cells of one record. */
const parse = (text: string): Effect.Effect<Result.Result<Csv.Row, string>> =>
  Stream.succeed(text).pipe(
    Stream.pipeThroughChannel(Csv.decodeString()),
    Stream.runCollect,
    Effect.map(([cells, ...others]) =>
      cells === undefined || others.length > 0
        ? Result.fail("Expected line breaks to be LF or CRLF")
        : Result.succeed(cells)
    ),
    Effect.catch(({ message }) => Effect.succeed(Result.fail(message)))
  )

/**
 * A record ends with the line on which its quotes come out even (RFC 4180). One that does not parse costs its first
 * line, and reading goes on with the next: else a stray quote would swallow every row up to the next quote.
 */
class CsvRecords {
  #pending: Array<{ readonly line: number; readonly text: string }> = []
  #open = false
  #size = 0

  /** The records that end with `next`, or, without it, with the file. */
  push(next: Option.Option<Line>): Effect.Effect<ReadonlyArray<CsvRecord>> {
    return Effect.gen({ self: this }, function* () {
      const records: Array<CsvRecord> = []
      // Taken from its end.
      const todo: Array<Line> = Option.toArray(next)
      const giveUp = (why: string) => {
        const [first, ...others] = this.#take()
        records.push({ line: first!.line, cells: Result.fail(why) })
        for (const { line, text } of others.reverse()) todo.push({ line, text: Result.succeed(text) })
      }
      for (;;) {
        const line = todo.pop()
        if (line === undefined) {
          if (Option.isSome(next) || this.#pending.length === 0) return records
          giveUp("Expected a closing quote")
        } else if (Result.isFailure(line.text) && this.#pending.length === 0) {
          records.push({ line: line.line, cells: Result.fail(line.text.failure) })
        } else if (Result.isFailure(line.text)) {
          todo.push(line)
          giveUp("Expected a closing quote")
        } else if (this.#pending.length > 0 || !isBlank(line)) {
          this.#keep(line.line, line.text.success)
          if (this.#open && this.#size > maxRowBytes) giveUp("Expected a closing quote within 256 KiB")
          if (this.#open || this.#pending.length === 0) continue
          const cells = yield* parse(this.#pending.map(({ text }) => text).join(""))
          if (Result.isFailure(cells)) giveUp(cells.failure)
          else records.push({ line: this.#take()[0]!.line, cells })
        }
      }
    })
  }

  #keep(line: number, text: string): void {
    this.#pending.push({ line, text })
    this.#size += text.length
    if (text.split('"').length % 2 === 0) this.#open = !this.#open
  }

  #take() {
    const pending = this.#pending
    this.#pending = []
    this.#open = false
    this.#size = 0
    return pending
  }
}

const csvRecords = <E, R>(lines: Stream.Stream<Line, E, R>): Stream.Stream<CsvRecord, E, R> =>
  lines.pipe(
    Stream.map(Option.some),
    Stream.concat(Stream.succeed(Option.none())),
    Stream.mapAccumEffect(() => new CsvRecords(), (state, next) =>
      Effect.map(state.push(next), (records) => [state, records] as const))
  )

const parseJson = (text: string): Result.Result<unknown, string> =>
  Result.try({ try: (): unknown => JSON.parse(text), catch: () => "Expected JSON" })

const unknownField = (names: ReadonlyArray<string>): string | undefined => {
  const name = names.find((name) => !fields.includes(name))
  return name === undefined ? undefined : `unknown field ${JSON.stringify(name)}: expected ${fields.join(", ")}`
}

/** The names in the first record: without those, nothing in the file has a meaning. */
const readHeader = ({ cells, line }: CsvRecord): Effect.Effect<ReadonlyArray<string>, UnreadableFile> => {
  const refuse = (why: string) => new UnreadableFile({ message: `line ${line}: ${why}` })
  if (Result.isFailure(cells)) return Effect.fail(refuse(cells.failure))
  const names = cells.success.map((name) => name.trim())
  const unknown = unknownField(names)
  if (unknown !== undefined) return Effect.fail(refuse(unknown))
  if (new Set(names).size < names.length) return Effect.fail(refuse("a field is named twice"))
  return names.includes("username") ? Effect.succeed(names) : Effect.fail(refuse("no field is named username"))
}

/** An empty cell is an absent field. */
const readCells = (header: ReadonlyArray<string>, cells: Csv.Row): Row["fields"] => {
  if (cells.length !== header.length) return Result.fail(`Expected ${header.length} cells, got ${cells.length}`)
  const given: Record<string, unknown> = {}
  for (const [column, name] of header.entries()) {
    const cell = cells[column]!
    if (cell === "") continue
    const value = name === "metadata" ? parseJson(cell) : Result.succeed(cell)
    if (Result.isFailure(value)) return Result.fail(`${name}: ${value.failure}`)
    given[name] = value.success
  }
  return Result.succeed(given)
}

const csv = <E, R>(lines: Stream.Stream<Line, E, R>): Stream.Stream<Row, E | UnreadableFile, R> =>
  csvRecords(lines).pipe(Stream.mapAccumEffect(
    (): ReadonlyArray<string> | undefined => undefined,
    (header, record) => {
      if (header === undefined) return Effect.map(readHeader(record), (header) => [header, []] as const)
      const row: Row = { line: record.line, fields: Result.flatMap(record.cells, (cells) => readCells(header, cells)) }
      return Effect.succeed([header, [row]] as const)
    }
  ))

/** `null` is an absent field, as in what the API answers. */
const readObject = (value: unknown): Row["fields"] => {
  if (!Predicate.isObject(value) || Array.isArray(value)) return Result.fail("Expected a JSON object")
  const unknown = unknownField(Object.keys(value))
  if (unknown !== undefined) return Result.fail(unknown)
  return Result.succeed(Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null)))
}

const ndjson = <E, R>(lines: Stream.Stream<Line, E, R>): Stream.Stream<Row, E, R> =>
  lines.pipe(
    Stream.filter((line) => !isBlank(line)),
    Stream.map(({ line, text }) => ({
      line,
      fields: text.pipe(Result.flatMap(parseJson), Result.flatMap(readObject))
    }))
  )

/** The rows of a file, in order. */
export const rows = <E, R>(
  format: Format,
  bytes: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<Row, E | UnreadableFile, R> => format === "csv" ? csv(lines(bytes)) : ndjson(lines(bytes))
