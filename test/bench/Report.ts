// Measures subjects alternately, keeps every round, and prints medians with their spread. Nothing here judges a figure.

/** One round's figures of one subject, by column. */
export type Sample = Readonly<Record<string, number>>

export interface Case {
  readonly name: string
  /** For about so many seconds. */
  readonly run: (seconds: number) => Promise<Sample>
}

export interface Figure {
  readonly subject: string
  readonly column: string
}

/** `of` divided by `to`, round by round. */
export interface Ratio {
  readonly of: Figure
  readonly to: Figure
  /** What is hoped for. */
  readonly target?: string
}

/** Why a subject that nobody wanted this time was not measured. */
export class LeftOut extends Error {
  override readonly message = "left out"
}

export interface Row {
  readonly subject: string
  readonly samples: ReadonlyArray<Sample>
  /** Why it was not measured, or not to the end. */
  readonly note?: string
  readonly failed?: boolean
}

export interface Result {
  readonly work: string
  readonly title: string
  readonly rows: ReadonlyArray<Row>
  readonly ratios: ReadonlyArray<Ratio & Summary>
  readonly notes: ReadonlyArray<string>
  readonly failed?: boolean
}

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
}

export const summary = (values: ReadonlyArray<number>): Summary => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median: median ?? NaN, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN }
}

/**
 * Every case once a round, each round beginning with another one. `warmUp` seconds of each go before, and are forgotten.
 * A case that fails is left out from then on, and its row says why.
 */
export const alternate = async (
  rounds: number,
  cases: ReadonlyArray<Case>,
  seconds: number,
  warmUp: number
): Promise<ReadonlyArray<Row>> => {
  const rows = cases.map(({ name }) => ({
    subject: name,
    samples: [] as Array<Sample>,
    note: undefined as string | undefined,
    failed: false
  }))
  for (let round = warmUp > 0 ? -1 : 0; round < rounds; round++) {
    for (let n = 0; n < cases.length; n++) {
      const which = (n + Math.max(0, round)) % cases.length
      const row = rows[which]!
      if (row.note !== undefined) continue
      try {
        const sample = await cases[which]!.run(round < 0 ? warmUp : seconds)
        if (round >= 0) row.samples.push(sample)
      } catch (error) {
        row.note = `not measured: ${messageOf(error)}`
        row.failed = !(error instanceof LeftOut)
      }
    }
  }
  return rows.map(({ note, ...row }) => note === undefined ? row : { ...row, note })
}

export const messageOf = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error)
  return text.split("\n").find((line) => line.trim() !== "")?.slice(0, 300) ?? "?"
}

const figures = (rows: ReadonlyArray<Row>, { column, subject }: Figure): ReadonlyArray<number> =>
  rows.find((row) => row.subject === subject)?.samples.map((sample) => sample[column] ?? NaN) ?? []

export const withRatios = (rows: ReadonlyArray<Row>, ratios: ReadonlyArray<Ratio>): ReadonlyArray<Ratio & Summary> =>
  ratios.flatMap((ratio) => {
    const to = figures(rows, ratio.to)
    const values = figures(rows, ratio.of).map((value, round) => value / (to[round] ?? NaN)).filter(Number.isFinite)
    return values.length === 0 ? [] : [{ ...ratio, ...summary(values) }]
  })

/** Three digits that count. */
const short = (value: number): string => {
  if (!Number.isFinite(value)) return "–"
  const size = Math.abs(value)
  return size >= 100 ? Math.round(value).toString() : size >= 10 ? value.toFixed(1) : value.toFixed(size >= 1 ? 2 : 3)
}

const spread = ({ max, median, min }: Summary): string =>
  min === max ? short(median) : `${short(median)} (${short(min)}–${short(max)})`

const table = (lines: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines.map((line) =>
    line.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join("  ")
      .trimEnd()
  ).join("\n")
}

const columnsOf = (rows: ReadonlyArray<Row>): ReadonlyArray<string> => [
  ...new Set(rows.flatMap(({ samples }) => samples.flatMap((sample) => Object.keys(sample))))
]

/** Spreads are shown for the first column, which is the one to compare; `--json` has them all. */
export const print = (result: Result): string => {
  const columns = columnsOf(result.rows)
  const measured = result.rows.filter(({ samples }) => samples.length > 0)
  const lines = measured.map(({ samples, subject }) => [
    subject,
    ...columns.map((column, n) => {
      const values = samples.map((sample) => sample[column] ?? NaN).filter(Number.isFinite)
      return values.length === 0 ? "" : n === 0 ? spread(summary(values)) : short(summary(values).median)
    })
  ])
  const notes = [
    ...result.rows.flatMap(({ note, subject }) => note === undefined ? [] : [`${subject}: ${note}`]),
    ...result.notes
  ]
  return [
    `\n## ${result.title} [${result.work}]\n`,
    ...(measured.length === 0 ? [] : [table([["", ...columns], ...lines])]),
    ...(notes.length === 0 ? [] : ["", ...notes]),
    ...(result.ratios.length === 0 ? [] : ["", printRatios(result.ratios)])
  ].join("\n")
}

const name = (of: Figure, to: Figure): string => {
  if (of.subject === to.subject) return `${of.subject}: ${of.column} / ${to.column}`
  return of.column === to.column
    ? `${of.column}: ${of.subject} / ${to.subject}`
    : `${of.subject} ${of.column} / ${to.subject} ${to.column}`
}

const printRatios = (ratios: ReadonlyArray<Ratio & Summary>): string =>
  table([
    ["ratio", "median (min–max)", "target"],
    ...ratios.map((ratio) => [name(ratio.of, ratio.to), spread(ratio), ratio.target ?? ""])
  ])

/** The ratios of all works for which something is hoped. */
export const printTargets = (results: ReadonlyArray<Result>): string =>
  table([
    ["ratio", "median (min–max)", "target"],
    ...results.flatMap(({ ratios, work }) =>
      ratios.filter(({ target }) => target !== undefined).map((ratio) => [
        `${work}  ${name(ratio.of, ratio.to)}`,
        spread(ratio),
        ratio.target!
      ])
    )
  ])

/** For programs: every round of every figure, with medians and spreads. */
export const toJson = (result: Result) => ({
  work: result.work,
  title: result.title,
  subjects: result.rows.map(({ note, samples, subject }) => ({
    subject,
    ...(note === undefined ? {} : { note }),
    figures: Object.fromEntries(
      columnsOf([{ subject, samples }]).map((column) => {
        const rounds = samples.map((sample) => sample[column] ?? NaN)
        return [column, { ...summary(rounds.filter(Number.isFinite)), rounds }]
      })
    )
  })),
  ratios: result.ratios.map(({ of, target, to, ...rest }) => ({ name: name(of, to), of, to, target, ...rest })),
  notes: result.notes
})
