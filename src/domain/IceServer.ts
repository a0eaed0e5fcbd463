// Where a user's calls find their way around NATs: STUN servers, and TURN servers with the credential they ask for.
import type { Redacted } from "effect"

export interface IceServer {
  readonly urls: ReadonlyArray<string>
  readonly username?: string
  readonly credential?: Redacted.Redacted
}
