// From a text frame to a client frame, or to what is wrong with it. No input makes this throw.
import { Exit, Option, Predicate, Schema, SchemaIssue, SchemaParser } from "effect"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import { ClientFrame, FrameId } from "../api/Frames.ts"

export type Decoded =
  | { readonly _tag: "Frame"; readonly frame: ClientFrame }
  | { readonly _tag: "Malformed"; readonly detail: string; readonly id: FrameId | undefined }

const parseJson = (text: string): Option.Option<unknown> => {
  try {
    return Option.some(JSON.parse(text))
  } catch {
    return Option.none()
  }
}

const decodeId = Schema.decodeUnknownOption(FrameId)
const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** By type, so that a frame is held against its own schema only, compiled; a `Map`, because the type is the client's to choose. */
const decoders = new Map<unknown, (input: unknown) => Exit.Exit<ClientFrame, SchemaIssue.Issue>>(
  ClientFrame.members.map((member) => {
    SchemaJITCompiler.enable(member.ast)
    return [member.fields.type.literal, SchemaParser.decodeUnknownExit(member)]
  })
)

export const decode = (text: string): Decoded => {
  const parsed = parseJson(text)
  if (Option.isNone(parsed)) return malformed("Expected JSON")
  const input = parsed.value
  if (!Predicate.isObject(input) || Array.isArray(input)) return malformed("Expected a JSON object")
  const decoder = decoders.get(input["type"])
  if (decoder === undefined) return malformed("Unknown frame type", input["id"])
  const decoded = decoder(input)
  if (Exit.isSuccess(decoded)) return { _tag: "Frame", frame: decoded.value }
  return malformed(
    Option.match(Exit.findErrorOption(decoded), { onNone: () => "Bad frame", onSome: where }),
    input["id"]
  )
}

const malformed = (detail: string, id?: unknown): Decoded => ({
  _tag: "Malformed",
  detail,
  id: Option.getOrUndefined(decodeId(id))
})

/** The first problem and its place. The formatter's own messages name what was expected, never what was sent. */
const where = (issue: SchemaIssue.Issue): string => {
  const [first] = format(issue).issues
  if (first === undefined) return "Bad frame"
  const path = (first.path ?? []).map((segment) => String(typeof segment === "object" ? segment.key : segment)).join(
    "."
  )
  return path === "" ? first.message : `${path}: ${first.message}`
}
