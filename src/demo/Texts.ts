// What the page says of each thing that can go wrong.
import { RoomkeyError } from "../client/index.ts"

const byCode: Readonly<Record<string, string>> = {
  username_taken: "Somebody has that name already. Please pick another.",
  registration_disabled: "This app takes no new names.",
  rate_limited: "Too much at once from here. Please try again later.",
  tenant_suspended: "This app is suspended.",
  user_banned: "You were banned.",
  invalid_refresh_token: "Your session has ended. Pick a name to come back.",
  refresh_token_reused: "Your session has ended. Pick a name to come back.",
  network: "The server does not answer. Please try again.",
  timeout: "The server does not answer. Please try again.",
  unavailable: "The server is busy. Please try again.",
  not_connected: "Not connected. Please try again in a moment.",
  disconnected: "The connection was lost. Please try again in a moment.",
  not_found: "That room does not exist any more.",
  channel_full: "That room is full.",
  removed_from_channel: "You were removed from the room.",
  channel_deleted: "The room was deleted."
}

export const textOf = (code: string): string | undefined => byCode[code]

export const explain = (error: unknown, here: Readonly<Record<string, string>> = {}): string => {
  if (!(error instanceof RoomkeyError)) return "Something went wrong. Please reload the page."
  return here[error.code] ?? textOf(error.code) ?? error.errors[0]?.message ?? error.detail
}
