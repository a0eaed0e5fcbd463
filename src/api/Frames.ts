// The signalling socket's frames: text frames of JSON, `{type, payload}`, with an optional `id` of the client's that the
// answer echoes. What a client sends is decoded by these schemas before anything else looks at it.
import { Schema } from "effect"
import { SessionId } from "../domain/Ids.ts"
import { User } from "./User.ts"

export const FrameId = Schema.Union([
  Schema.String.check(Schema.isMaxLength(128, { message: "Expected at most 128 characters" })),
  Schema.Int
])
export type FrameId = typeof FrameId.Type

const id = Schema.optionalKey(FrameId)

/** The payload of a frame that needs none: absent, `null` or an object, whose fields are ignored. */
const NoPayload = Schema.optionalKey(Schema.NullOr(
  Schema.declare(
    (input: unknown): input is object => typeof input === "object" && input !== null && !Array.isArray(input),
    { expected: "a JSON object", toJsonSchema: () => ({ type: "object" }) }
  )
))

export const Ping = Schema.Struct({ type: Schema.Literal("ping"), payload: NoPayload, id })
export type Ping = typeof Ping.Type

/** Each client frame by its type: what the dispatch table must answer for. */
export interface ClientFrames {
  readonly ping: Ping
}

export const ClientFrame = Schema.Union([Ping])
export type ClientFrame = typeof ClientFrame.Type

/** An RFC 3339 instant in UTC. */
const Instant = Schema.String.annotate({ format: "date-time" })

/** The first frame of every socket. */
export const Ready = Schema.Struct({
  type: Schema.tag("ready"),
  payload: Schema.Struct({
    connection_id: Schema.String,
    user: User,
    session_id: SessionId,
    expires_at: Instant.annotate({ description: "When the session token ends, unless it is refreshed" }),
    ice_servers: Schema.Array(Schema.Struct({ urls: Schema.Array(Schema.String) }))
  })
})

export const Pong = Schema.Struct({ type: Schema.tag("pong"), payload: Schema.Struct({}), id })

export const ErrorFrame = Schema.Struct({
  type: Schema.tag("error"),
  payload: Schema.Struct({
    code: Schema.Literals(["invalid_request"]),
    detail: Schema.String
  }),
  id
})

/** Five minutes before the session token ends: refresh it, and the socket lives on. */
export const TokenExpiring = Schema.Struct({
  type: Schema.tag("token_expiring"),
  payload: Schema.Struct({
    expires_at: Instant,
    expires_in: Schema.Int.annotate({ description: "Seconds" })
  })
})

export const ServerFrame = Schema.Union([Ready, Pong, ErrorFrame, TokenExpiring])
export type ServerFrame = typeof ServerFrame.Type
