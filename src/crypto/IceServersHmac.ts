// coturn's "TURN REST API": the name carries its own end, and the credential proves that who knows the secret made it.
// Nothing is kept here or asked there. SHA-1 is what that scheme speaks; as an HMAC it is sound.
import { Clock, Duration, Effect, Layer, Option, Redacted } from "effect"
import { createHmac } from "node:crypto"
import type { IceServer } from "../domain/IceServer.ts"
import { IceServers } from "../services/IceServers.ts"

export interface TurnOptions {
  readonly urls: ReadonlyArray<string>
  /** coturn's `static-auth-secret`. */
  readonly secret: Redacted.Redacted
  /** How long a credential is good for. */
  readonly ttl: Duration.Duration
}

/** `iceServers` for everybody, then the TURN servers with a credential of the user's own. */
export const layer = (options: {
  readonly iceServers: ReadonlyArray<IceServer>
  readonly turn: Option.Option<TurnOptions>
}): Layer.Layer<IceServers> => {
  const { iceServers, turn } = options
  if (Option.isNone(turn)) {
    return Layer.succeed(IceServers, { forUser: () => ({ servers: iceServers, expiresIn: null }) })
  }
  const { secret, ttl, urls } = turn.value
  const expiresIn = Duration.toSeconds(ttl)
  return Layer.effect(
    IceServers,
    Effect.map(Clock.Clock, (clock) => ({
      forUser: (userId) => {
        const username = `${Math.ceil(clock.currentTimeMillisUnsafe() / 1000) + expiresIn}:${userId}`
        const credential = createHmac("sha1", Redacted.value(secret)).update(username).digest("base64")
        return { servers: [...iceServers, { urls, username, credential: Redacted.make(credential) }], expiresIn }
      }
    }))
  )
}
