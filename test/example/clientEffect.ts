// The same as an Effect program: its type names every way it can fail, and the socket closes with its scope.
import { Effect, Redacted, Stream } from "effect"
import { makeAuth, makeRealtime } from "../../src/client/effect.ts"

export const count = (baseUrl: string, appId: string, channelId: number) =>
  Effect.gen(function* () {
    const auth = yield* makeAuth({ baseUrl, appId })
    yield* auth.login("ada", Redacted.make("correct horse battery"))
    const realtime = yield* makeRealtime(auth)
    yield* realtime.events.pipe(
      Stream.runForEach(({ _tag }) => Effect.logDebug(_tag)),
      Effect.forkScoped
    )
    yield* realtime.connect
    const members = yield* realtime.join(channelId)
    return `${members.length} in the channel`
  }).pipe(
    Effect.scoped,
    Effect.catchTags({
      SignedOut: ({ code }) => Effect.succeed(`Sign in again: ${code}`),
      Refused: ({ detail }) => Effect.succeed(detail),
      Unavailable: ({ retryAfter = 5 }) => Effect.succeed(`Try again in ${retryAfter} s`),
      NotConnected: () => Effect.succeed("The connection was lost")
    })
  )
