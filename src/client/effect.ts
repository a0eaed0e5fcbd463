// The same client for Effect programs: failures in the type, events as a stream, the socket as long as its scope.
import { Effect, Option, Queue, Redacted, Schema, type Scope, Stream } from "effect"
import type { Member } from "../api/Member.ts"
import type { Role } from "../domain/Role.ts"
import * as Promised from "./Auth.ts"
import { RoomkeyError } from "./Errors.ts"
import { type Candidate, createRealtime, type RealtimeEvents, type RealtimeOptions } from "./Realtime.ts"

const refusal = { status: Schema.Int, code: Schema.String, detail: Schema.String }

/** The server said no; `code` says why. The same call would be refused again. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  ...refusal,
  errors: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {}

/** Nobody answered, or not now. The same call may succeed later, after `retryAfter` seconds where it says so. */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {
  ...refusal,
  retryAfter: Schema.UndefinedOr(Schema.Finite)
}) {}

/** Nobody is signed in, or no longer. */
export class SignedOut extends Schema.TaggedError<SignedOut>()("SignedOut", {
  code: Schema.String,
  detail: Schema.String
}) {}

/** There is no socket, or it closed before the answer. */
export class NotConnected extends Schema.TaggedError<NotConnected>()("NotConnected", {
  code: Schema.String,
  detail: Schema.String
}) {}

const refusedOrAway = ({ code, detail, errors, retryable, retryAfter, status }: RoomkeyError): Refused | Unavailable =>
  retryable ? new Unavailable({ status, code, detail, retryAfter }) : new Refused({ status, code, detail, errors })

const ofSession = (error: RoomkeyError): SignedOut | Refused | Unavailable =>
  error.endsSession || error.code === "signed_out"
    ? new SignedOut({ code: error.code, detail: error.detail })
    : refusedOrAway(error)

const ofSocket = (error: RoomkeyError): NotConnected | Refused | Unavailable =>
  ["not_connected", "disconnected", "closed"].includes(error.code)
    ? new NotConnected({ code: error.code, detail: error.detail })
    : refusedOrAway(error)

const ofConnect = (error: RoomkeyError): SignedOut | NotConnected | Refused | Unavailable =>
  error.code === "signed_out" ? new SignedOut({ code: error.code, detail: error.detail }) : ofSocket(error)

/** Whatever else a promise rejects with is a bug, and dies. */
const attempt = <A, E>(failure: (error: RoomkeyError) => E, call: () => Promise<A>): Effect.Effect<A, E> =>
  Effect.flatten(Effect.promise(() =>
    call().then(
      (value): Effect.Effect<A, E> => Effect.succeed(value),
      (error) => error instanceof RoomkeyError ? Effect.fail(failure(error)) : Effect.die(error)
    )
  ))

/** See the promise client's {@link Promised.Auth} for what each does. */
export interface Auth {
  /** The promise client underneath. */
  readonly promised: Promised.Auth
  readonly session: Effect.Effect<Option.Option<Promised.Session>>
  /** Every sign-in, refresh and sign-out from now on, those in other tabs included. */
  readonly changes: Stream.Stream<Option.Option<Promised.Session>>
  readonly login: (
    username: string,
    password: Redacted.Redacted
  ) => Effect.Effect<Promised.Session, Refused | Unavailable>
  readonly register: (
    username: string,
    password: Redacted.Redacted
  ) => Effect.Effect<Promised.Session, Refused | Unavailable>
  readonly adopt: (tokens: Promised.Tokens) => Effect.Effect<Promised.Session>
  readonly token: Effect.Effect<Redacted.Redacted, SignedOut | Refused | Unavailable>
  readonly call: (
    method: string,
    path: string,
    body?: unknown
  ) => Effect.Effect<unknown, SignedOut | Refused | Unavailable>
  readonly logout: Effect.Effect<void, SignedOut | Refused | Unavailable>
}

/**
 * Makes the part of the client that signs in and keeps the session token fresh.
 *
 * @param options where Roomkey is, and for whom
 * @example
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { makeAuth } from "roomkey/client/effect"
 *
 * const program = Effect.gen(function* () {
 *   const auth = yield* makeAuth({ baseUrl: "https://voice.example", appId: "vc_app_…" })
 *   yield* auth.login("ada", Redacted.make("correct horse battery"))
 *   return yield* auth.call("GET", "/api/me")
 * })
 * await Effect.runPromise(program)
 * ```
 */
export const makeAuth = (options: Promised.AuthOptions): Effect.Effect<Auth> =>
  Effect.sync(() => {
    const promised = Promised.createAuth(options)
    return {
      promised,
      session: Effect.sync(() => Option.fromNullOr(promised.session)),
      changes: Stream.callback<Option.Option<Promised.Session>>((queue) =>
        subscribed(() => promised.onChange((session) => Queue.offerUnsafe(queue, Option.fromNullOr(session))))
      ),
      login: (username, password) => attempt(refusedOrAway, () => promised.login(username, Redacted.value(password))),
      register: (username, password) =>
        attempt(refusedOrAway, () => promised.register(username, Redacted.value(password))),
      adopt: (tokens) => Effect.sync(() => promised.adopt(tokens)),
      token: Effect.map(attempt(ofSession, promised.token), (token) => Redacted.make(token)),
      call: (method, path, body) => attempt(ofSession, () => promised.call(method, path, body)),
      logout: attempt(ofSession, promised.logout)
    }
  })

const subscribed = (subscribe: () => () => void) =>
  Effect.acquireRelease(Effect.sync(subscribe), (stop) => Effect.sync(stop))

/** An event of the socket and what it tells. */
export type RealtimeEvent = {
  readonly [Kind in keyof RealtimeEvents]: { readonly _tag: Kind; readonly value: RealtimeEvents[Kind] }
}[keyof RealtimeEvents]

const kinds: { readonly [Kind in keyof RealtimeEvents]: true } = {
  ready: true,
  joined: true,
  user_joined: true,
  user_left: true,
  user_updated: true,
  webrtc_offer: true,
  webrtc_answer: true,
  ice_candidate: true,
  error: true,
  state: true,
  closed: true,
  removed: true,
  signed_out: true
}

type Asked<A> = Effect.Effect<A, NotConnected | Refused | Unavailable>

/** See the promise client's `Realtime` for what each does. */
export interface Realtime {
  /** Everything that happens from when the stream begins to run. */
  readonly events: Stream.Stream<RealtimeEvent>
  readonly members: Effect.Effect<ReadonlyMap<string, Member>>
  readonly connectionId: Effect.Effect<Option.Option<string>>
  readonly connect: Effect.Effect<void, SignedOut | NotConnected | Refused | Unavailable>
  readonly join: (channelId: number, role?: Role) => Asked<ReadonlyArray<Member>>
  readonly leave: Asked<void>
  readonly mute: (muted: boolean, connectionId?: string) => Asked<void>
  readonly speaking: (speaking: boolean) => Effect.Effect<void>
  readonly setRole: (connectionId: string, role: Role) => Asked<void>
  readonly remove: (connectionId: string) => Asked<void>
  readonly sendOffer: (to: string, sdp: string) => Asked<void>
  readonly sendAnswer: (to: string, sdp: string) => Asked<void>
  readonly sendCandidate: (to: string, candidate: Candidate) => Effect.Effect<void>
  readonly ping: Asked<number>
}

/**
 * Makes the part of the client that holds the signalling socket, closed with the scope.
 *
 * @param auth who is signed in
 * @param options for tests, and for runtimes without a global `WebSocket`
 * @example
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { makeAuth, makeRealtime } from "roomkey/client/effect"
 *
 * const program = Effect.gen(function* () {
 *   const auth = yield* makeAuth({ baseUrl: "https://voice.example", appId: "vc_app_…" })
 *   yield* auth.login("ada", Redacted.make("correct horse battery"))
 *   const realtime = yield* makeRealtime(auth)
 *   yield* realtime.connect
 *   return yield* realtime.ping
 * })
 * await Effect.runPromise(Effect.scoped(program))
 * ```
 */
export const makeRealtime = (
  auth: Auth,
  options?: RealtimeOptions
): Effect.Effect<Realtime, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => createRealtime(auth.promised, options)),
      (realtime) => Effect.sync(realtime.close)
    ),
    (realtime): Realtime => ({
      events: Stream.callback<RealtimeEvent>((queue) =>
        subscribed(() => {
          const stops = (Object.keys(kinds) as ReadonlyArray<keyof RealtimeEvents>).map((kind) =>
            realtime.on(kind, (value) => Queue.offerUnsafe(queue, { _tag: kind, value } as RealtimeEvent))
          )
          return () => stops.forEach((stop) => stop())
        })
      ),
      members: Effect.sync(() => new Map(realtime.members)),
      connectionId: Effect.sync(() => Option.fromUndefinedOr(realtime.connectionId)),
      connect: attempt(ofConnect, realtime.connect),
      join: (channelId, role) => attempt(ofSocket, () => realtime.join(channelId, role)),
      leave: attempt(ofSocket, realtime.leave),
      mute: (muted, connectionId) => attempt(ofSocket, () => realtime.mute(muted, connectionId)),
      speaking: (speaking) => Effect.sync(() => realtime.speaking(speaking)),
      setRole: (connectionId, role) => attempt(ofSocket, () => realtime.setRole(connectionId, role)),
      remove: (connectionId) => attempt(ofSocket, () => realtime.remove(connectionId)),
      sendOffer: (to, sdp) => attempt(ofSocket, () => realtime.sendOffer(to, sdp)),
      sendAnswer: (to, sdp) => attempt(ofSocket, () => realtime.sendAnswer(to, sdp)),
      sendCandidate: (to, candidate) => Effect.sync(() => realtime.sendCandidate(to, candidate)),
      ping: attempt(ofSocket, realtime.ping)
    })
  )
