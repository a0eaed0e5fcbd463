import type { Bench } from "../Bench.ts"
import { type Ratio, type Result, type Row, withRatios } from "../Report.ts"

export interface Work {
  /** As the command line names it. */
  readonly name: string
  readonly title: string
  readonly run: (bench: Bench) => Promise<Pick<Result, "rows" | "ratios" | "notes">>
}

export const measured = (
  rows: ReadonlyArray<Row>,
  ratios: ReadonlyArray<Ratio>,
  notes: ReadonlyArray<string> = []
): Pick<Result, "rows" | "ratios" | "notes"> => ({ rows, ratios: withRatios(rows, ratios), notes })
