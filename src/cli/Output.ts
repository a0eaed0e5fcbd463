// What commands print: on standard output one JSON document or a table, and nothing else.
import { Effect, Predicate, Stdio, Stream } from "effect"
import { CliOutput, Flag } from "effect/cli"

export const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))

export interface Format {
  readonly json: boolean
}

/** A column's title, and what is in it. */
export type Columns<A> = ReadonlyArray<readonly [title: string, cell: (row: A) => string | number | boolean | null]>

/** A tenant's users choose some of what an operator sees: none of it may speak to the terminal. */
export const visible = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Bidi_Control}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

const shown = (value: string | number | boolean | null): string => {
  switch (value) {
    case null:
      return "-"
    case true:
      return "yes"
    case false:
      return "no"
    default:
      return visible(String(value))
  }
}

const line = (cells: ReadonlyArray<string>, widths: ReadonlyArray<number>): string =>
  cells.map((cell, column) => cell + " ".repeat(Math.max(0, widths[column]! - CliOutput.displayWidth(cell))))
    .join("  ").trimEnd() + "\n"

/** The system's word for what failed, which is the last of a chain of causes that has one. */
export const errorCode = (error: unknown): string | undefined => {
  if (!Predicate.isObject(error)) return undefined
  const inner = errorCode(error["cause"])
  return inner ?? (typeof error["code"] === "string" ? error["code"] : undefined)
}

/** Text on standard output, as fast as that takes it, and no more of it than somebody reads. */
const write = <E, R>(text: Stream.Stream<string, E, R>) =>
  Stdio.Stdio.use((stdio) =>
    Stream.run(text, stdio.stdout({ endOnDone: false })).pipe(
      Effect.catchIf((error) => errorCode(error) === "EPIPE", () => Effect.void)
    )
  )

export const print = (text: string) => write(Stream.succeed(`${text}\n`))

/** A list that may be long: it is printed page by page, with the widths of the first. */
export const printPages = <A, E, R>(
  format: Format,
  columns: Columns<A>,
  pages: Stream.Stream<ReadonlyArray<A>, E, R>
) => {
  if (format.json) {
    return write(
      pages.pipe(
        Stream.flatMap(Stream.fromArray),
        Stream.map((row) => JSON.stringify(row)),
        Stream.intersperseAffixes({ start: "[\n", middle: ",\n", end: "\n]\n" })
      )
    )
  }
  const titles = columns.map(([title]) => title)
  return write(
    pages.pipe(Stream.mapAccum(
      (): ReadonlyArray<number> => [],
      (before, rows) => {
        const cells = rows.map((row) => columns.map(([, cell]) => shown(cell(row))))
        const table = before.length === 0 ? [titles, ...cells] : cells
        const widths = before.length > 0
          ? before
          : titles.map((_, column) => Math.max(...table.map((row) => CliOutput.displayWidth(row[column]!))))
        return [widths, table.map((row) => line(row, widths))]
      }
    ))
  )
}

export const printList = <A>(format: Format, columns: Columns<A>, rows: ReadonlyArray<A>) =>
  printPages(format, columns, Stream.succeed(rows))

/** One thing, a line for each column. */
export const printOne = <A>(format: Format, columns: Columns<A>, value: A) => {
  if (format.json) return print(JSON.stringify(value, undefined, 2))
  const titles = columns.map(([title]) => title)
  const widths = [Math.max(...titles.map(CliOutput.displayWidth)), 0]
  return write(Stream.fromArray(columns.map(([title, cell]) => line([title, shown(cell(value))], widths))))
}

/** That something was done, in words or as `value`. */
export const printDone = (format: Format, words: string, value: object) =>
  format.json ? print(JSON.stringify(value, undefined, 2)) : print(words)
