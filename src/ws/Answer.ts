// How a frame is answered: by what its handler sends; else, where it carries an `id`, by `ok`; or by an error. The names
// are those of the REST API where it has the same.
import { Effect, Result } from "effect"
import type { ErrorCode, FrameId } from "../api/Frames.ts"
import type {
  ChannelFull,
  ChannelNotFound,
  MemberNotFound,
  NotAllowed,
  NotAllowedReason,
  NotInChannel,
  RemovedFromChannel
} from "../domain/Channel.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"
import type { UserNotFound } from "../domain/User.ts"
import type { Connection } from "./Connection.ts"

type Refusal =
  | ChannelFull
  | ChannelNotFound
  | MemberNotFound
  | NotAllowed
  | NotInChannel
  | RemovedFromChannel
  | StoreUnavailable
  | UserNotFound

export interface Framed {
  readonly id?: FrameId
}

const notAllowed: Record<NotAllowedReason, string> = {
  not_host: "Only a host may do that",
  target_is_host: "That member is a host",
  may_not_speak: "Your role does not let you speak here",
  muted: "You are muted",
  muted_by_host: "You were muted by a host",
  muted_by_tenant: "Muted by the app: only the app may undo it",
  muted_by_itself: "The member muted itself: only the member may undo it",
  sends_media: "Your role lets you receive only: mark every media section recvonly or inactive"
}

const refusal = (error: Refusal): { readonly code: ErrorCode; readonly detail: string } => {
  switch (error._tag) {
    case "ChannelFull":
      return { code: "channel_full", detail: "The channel has as many members as it may" }
    case "ChannelNotFound":
      return { code: "not_found", detail: "No such channel" }
    case "MemberNotFound":
    case "UserNotFound":
      return { code: "not_found", detail: "No such member in the channel" }
    case "NotAllowed":
      return { code: "not_allowed", detail: notAllowed[error.reason] }
    case "NotInChannel":
      return { code: "not_in_channel", detail: "Join a channel first" }
    case "RemovedFromChannel":
      return { code: "removed_from_channel", detail: "You were removed from the channel" }
    case "StoreUnavailable":
      return { code: "unavailable", detail: "Try again in a moment" }
  }
}

const refuse = (connection: Connection, { id }: Framed, error: Refusal): void =>
  connection.send({ type: "error", payload: refusal(error), ...(id === undefined ? {} : { id }) })

/** Says what came of a frame for which there is nothing to say but that it is done. Nothing is left to be done then. */
export const answer = (connection: Connection, frame: Framed, result: Result.Result<void, Refusal>): undefined => {
  if (Result.isFailure(result)) refuse(connection, frame, result.failure)
  else if (frame.id !== undefined) connection.send({ type: "ok", payload: {}, id: frame.id })
}

/** The same once a handler that waits is through. */
export const answering = <R>(
  connection: Connection,
  frame: Framed,
  handler: Effect.Effect<void, Refusal, R>
): Effect.Effect<void, never, R> => Effect.map(Effect.result(handler), (result) => answer(connection, frame, result))

/** Runs a handler that answers by itself, unless it fails. */
export const answeringItself = <R>(
  connection: Connection,
  frame: Framed,
  handler: Effect.Effect<void, Refusal, R>
): Effect.Effect<void, never, R> =>
  Effect.catch(handler, (error) => Effect.sync(() => refuse(connection, frame, error)))
