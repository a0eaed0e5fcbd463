// Text that PostgreSQL can keep: no NUL and no lone surrogates, so that no string which passed a schema fails later.
import { Schema, SchemaGetter } from "effect"

const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes("\u0000")

export const StorableText = Schema.String.check(
  Schema.makeFilter((text: string) => isStorable(text) || "Expected text without NUL or lone surrogates")
)

const printable = Schema.makeFilter((text: string) =>
  !/[\p{Cc}\p{Bidi_Control}]/u.test(text) || "Expected no control characters"
)

const trimmed = Schema.makeFilter((text: string) =>
  text.trim() === text || "Expected no leading or trailing white space"
)

const nfc = SchemaGetter.transform((text: string) => text.normalize("NFC"))

/** A name shown to people: 1–`maxLength` characters (code points), normalised to NFC before it is checked. */
export const displayName = (maxLength: number) =>
  StorableText.pipe(
    Schema.decodeTo(
      Schema.String.check(
        Schema.isBetweenCodePoints(1, maxLength, { message: `Expected 1 to ${maxLength} characters` }),
        printable,
        trimmed
      ),
      { decode: nfc, encode: nfc }
    )
  )

/** The parts of a JSON value are walked without recursion: a hostile depth must not overflow the stack. */
export const jsonProblem = (root: unknown, maxDepth: number): string | undefined => {
  const pending: Array<readonly [value: unknown, depth: number]> = [[root, 1]]
  while (pending.length > 0) {
    const [value, depth] = pending.pop()!
    if (typeof value === "string" && !isStorable(value)) return "Expected text without NUL or lone surrogates"
    if (typeof value === "number" && !Number.isFinite(value)) return "Expected numbers within range"
    if (typeof value !== "object" || value === null) continue
    if (depth > maxDepth) return `Expected at most ${maxDepth} levels`
    if (!Object.keys(value).every(isStorable)) return "Expected text without NUL or lone surrogates"
    for (const child of Object.values(value)) pending.push([child, depth + 1])
  }
  return undefined
}
