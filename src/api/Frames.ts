// The signalling socket's frames: text frames of JSON, `{type, payload}`, with an optional `id` of the client's that the
// answer echoes. What a client sends is decoded by these schemas before anything else looks at it.
import { Schema } from "effect"
import { ChannelId, SessionId } from "../domain/Ids.ts"
import { Role } from "../domain/Role.ts"
import { StorableText } from "../domain/Text.ts"
import { IceServer } from "./IceServer.ts"
import { Member } from "./Member.ts"
import { User } from "./User.ts"

export const FrameId = Schema.Union([
  Schema.String.check(Schema.isMaxLength(128, { message: "Expected at most 128 characters" })),
  Schema.Int
])
export type FrameId = typeof FrameId.Type

const id = Schema.optionalKey(FrameId)

const ConnectionId = Schema.String.check(Schema.isMaxLength(64, { message: "Expected a connection id" }))

/** The payload of a frame that needs none: absent, `null` or an object, whose fields are ignored. */
const NoPayload = Schema.optionalKey(Schema.NullOr(
  Schema.declare(
    (input: unknown): input is object => typeof input === "object" && input !== null && !Array.isArray(input),
    { expected: "a JSON object", toJsonSchema: () => ({ type: "object" }) }
  )
))

const frame = <const Type extends string, Payload extends Schema.Constraint>(type: Type, payload: Payload) =>
  Schema.Struct({ type: Schema.Literal(type), payload, id })

export const Ping = frame("ping", NoPayload)

/** Enters a channel, and leaves the one before. The server decides the role; `role` asks for less, or for as much. */
export const JoinChannel = frame(
  "join_channel",
  Schema.Struct({ channel_id: ChannelId, role: Schema.optionalKey(Role) })
)

export const LeaveChannel = frame("leave_channel", NoPayload)

/** Mutes oneself, or, as a host, the user of another connection. */
export const Mute = frame(
  "mute",
  Schema.Struct({ muted: Schema.Boolean, connection_id: Schema.optionalKey(ConnectionId) })
)

export const Speaking = frame("speaking", Schema.Struct({ speaking: Schema.Boolean }))

/** As a host: gives the user of a connection a role in the channel, for good. */
export const SetRole = frame("set_role", Schema.Struct({ connection_id: ConnectionId, role: Role }))

/** As a host: removes the user of a connection from the channel. */
export const RemoveMember = frame("remove_member", Schema.Struct({ connection_id: ConnectionId }))

const Sdp = StorableText.check(Schema.isMaxLength(60_000, { message: "Expected at most 60000 characters" }))

export const WebrtcOffer = frame("webrtc_offer", Schema.Struct({ to: ConnectionId, sdp: Sdp }))

export const WebrtcAnswer = frame("webrtc_answer", Schema.Struct({ to: ConnectionId, sdp: Sdp }))

const CandidateText = StorableText.check(Schema.isMaxLength(4096, { message: "Expected at most 4096 characters" }))

/** An `RTCIceCandidateInit`, or its `candidate` alone; `null` says that there are no more. */
export const Candidate = Schema.NullOr(Schema.Union([
  CandidateText,
  Schema.Struct({
    candidate: CandidateText,
    sdpMid: Schema.optionalKey(Schema.NullOr(StorableText.check(Schema.isMaxLength(256)))),
    sdpMLineIndex: Schema.optionalKey(
      Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })))
    ),
    usernameFragment: Schema.optionalKey(Schema.NullOr(StorableText.check(Schema.isMaxLength(256))))
  })
]))

export const IceCandidate = frame("ice_candidate", Schema.Struct({ to: ConnectionId, candidate: Candidate }))

export const ClientFrame = Schema.Union([
  Ping,
  JoinChannel,
  LeaveChannel,
  Mute,
  Speaking,
  SetRole,
  RemoveMember,
  WebrtcOffer,
  WebrtcAnswer,
  IceCandidate
])
export type ClientFrame = typeof ClientFrame.Type

/** Each client frame by its type: what the dispatch table must answer for. */
export type ClientFrames = { readonly [Type in ClientFrame["type"]]: Extract<ClientFrame, { readonly type: Type }> }

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
    ice_servers: Schema.Array(IceServer)
  })
})

export const Pong = Schema.Struct({ type: Schema.tag("pong"), payload: Schema.Struct({}), id })

/** The answer to a frame that carried an `id`, was done, and has no other answer. */
export const Ok = Schema.Struct({ type: Schema.tag("ok"), payload: Schema.Struct({}), id: FrameId })

export const ErrorCode = Schema.Literals([
  "invalid_request",
  "not_found",
  "not_in_channel",
  "not_allowed",
  "channel_full",
  /** Removed by a host or the tenant: on a join that is refused, and, without an `id`, when it happens. */
  "removed_from_channel",
  /** Without an `id`: the channel that one was in is gone. */
  "channel_deleted",
  "unavailable"
])
export type ErrorCode = typeof ErrorCode.Type

export const ErrorFrame = Schema.Struct({
  type: Schema.tag("error"),
  payload: Schema.Struct({ code: ErrorCode, detail: Schema.String }),
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

/** Everybody in the channel, oneself included: the answer to `join_channel`. */
export const ChannelUsers = Schema.Struct({
  type: Schema.tag("channel_users"),
  payload: Schema.Struct({ channel_id: ChannelId, users: Schema.Array(Member) }),
  id
})

/** The member that changed. `user_left` with one's own `connection_id` says that one was taken out. */
export const UserJoined = Schema.Struct({ type: Schema.tag("user_joined"), payload: Member })
export const UserLeft = Schema.Struct({ type: Schema.tag("user_left"), payload: Member })
export const UserUpdated = Schema.Struct({ type: Schema.tag("user_updated"), payload: Member })

const relayed = <const Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Schema.Struct({
    type: Schema.tag(type),
    payload: Schema.Struct({ to: Schema.String, ...fields, from: Schema.String })
  })

export const RelayedOffer = relayed("webrtc_offer", { sdp: Schema.String })
export const RelayedAnswer = relayed("webrtc_answer", { sdp: Schema.String })
export const RelayedCandidate = relayed("ice_candidate", { candidate: Candidate })

export const ServerFrame = Schema.Union([
  Ready,
  Pong,
  Ok,
  ErrorFrame,
  TokenExpiring,
  ChannelUsers,
  UserJoined,
  UserLeft,
  UserUpdated,
  RelayedOffer,
  RelayedAnswer,
  RelayedCandidate
])
export type ServerFrame = typeof ServerFrame.Type
