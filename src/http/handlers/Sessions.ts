// Sign-in, refresh, the caller itself, and logout.
import { Effect, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../../api/Api.ts"
import { CurrentSession, PresentedKey } from "../../api/Authorization.ts"
import * as Problems from "../../api/Problems.ts"
import { type PasswordRequest, type ProfileRequest, type RefreshRequest, toSession } from "../../api/Sessions.ts"
import { toMe, toProfile, toUser } from "../../api/User.ts"
import type { SignedIn, TokenPair } from "../../domain/Session.ts"
import { autoAuth } from "../../flows/sessions/AutoAuth.ts"
import { issueTicket } from "../../flows/sessions/IssueTicket.ts"
import { logout } from "../../flows/sessions/Logout.ts"
import { passwordAuth } from "../../flows/sessions/PasswordAuth.ts"
import { refreshSession } from "../../flows/sessions/RefreshSession.ts"
import { register } from "../../flows/sessions/Register.ts"
import { revokeSession, revokeSessions } from "../../flows/sessions/RevokeSessions.ts"
import { changePassword } from "../../flows/users/ChangePassword.ts"
import { TokenStore } from "../../services/TokenStore.ts"
import { clientAddress, type Origin, TrustProxy } from "../ClientAddress.ts"
import { tooMany } from "../TooMany.ts"
import { weakPassword } from "../WeakPassword.ts"

const addressOf = (request: Origin) => Effect.map(TrustProxy, (hops) => clientAddress(request, hops))

/**
 * Reads a secret for the answer that has it; nobody can read it again. The table behind `Redacted` costs the more the more
 * is in it.
 */
const handOut = (secret: Redacted.Redacted): string => {
  const text = Redacted.value(secret)
  Redacted.wipeUnsafe(secret)
  return text
}

const toPair = (pair: TokenPair) => ({
  token: handOut(pair.token),
  refresh_token: handOut(pair.refreshToken),
  expires_in: pair.expiresIn
})

const toSignedIn = (signedIn: SignedIn) => ({ ...toPair(signedIn), user: toUser(signedIn.user) })

const signInProblems = {
  InvalidApiKey: () => new Problems.InvalidApiKey({}),
  RateLimited: tooMany,
  TenantSuspended: () => new Problems.TenantSuspended({}),
  UserBanned: () => new Problems.UserBanned({}),
  CustomIdTaken: () => new Problems.CustomIdTaken({}),
  CustomIdImmutable: () => new Problems.CustomIdImmutable({}),
  StoreUnavailable: () => new Problems.Unavailable({})
}

const logInProblems = {
  InvalidCredentials: () => new Problems.InvalidCredentials({}),
  RateLimited: tooMany,
  TenantSuspended: () => new Problems.TenantSuspended({}),
  UserBanned: () => new Problems.UserBanned({}),
  HasherBusy: () => new Problems.Unavailable({}),
  StoreUnavailable: () => new Problems.Unavailable({})
}

const refreshProblems = {
  InvalidRefreshToken: () => new Problems.InvalidRefreshToken({}),
  RateLimited: tooMany,
  RefreshTokenReused: () => new Problems.RefreshTokenReused({}),
  UserBanned: () => new Problems.UserBanned({}),
  TenantSuspended: () => new Problems.TenantSuspended({}),
  StoreUnavailable: () => new Problems.Unavailable({})
}

/** Uses `key` up: once it has signed somebody in, nobody can read it. */
export const signIn = (key: Redacted.Redacted, profile: typeof ProfileRequest.Type) =>
  autoAuth(key, toProfile(profile)).pipe(
    Effect.map((signedIn) => {
      Redacted.wipeUnsafe(key)
      return toSignedIn(signedIn)
    }),
    Effect.catchTags(signInProblems)
  )

export const logIn = ({ app_id, password, username }: typeof PasswordRequest.Type, address: string) =>
  passwordAuth({ appId: app_id, username, password, address }).pipe(
    Effect.map(toSignedIn),
    Effect.catchTags(logInProblems)
  )

/** Uses the token up: once it was traded, nobody can read it. */
export const refresh = ({ refresh_token }: typeof RefreshRequest.Type, address: string) =>
  refreshSession(refresh_token, address).pipe(
    Effect.map((pair) => {
      Redacted.wipeUnsafe(refresh_token)
      return toPair(pair)
    }),
    Effect.catchTags(refreshProblems)
  )

export const sessionsLayer = HttpApiBuilder.group(Api, "sessions", (handlers) =>
  handlers.handleAll({
    autoAuth: ({ payload }) => Effect.flatMap(PresentedKey, (key) => signIn(key, payload)),
    passwordAuth: ({ payload, request }) => Effect.flatMap(addressOf(request), (address) => logIn(payload, address)),
    refresh: ({ payload, request }) => Effect.flatMap(addressOf(request), (address) => refresh(payload, address)),
    me: () => Effect.map(CurrentSession, ({ tenantId, user }) => toMe(tenantId, user)),
    issueTicket: () =>
      CurrentSession.pipe(
        Effect.flatMap(issueTicket),
        Effect.map(({ expiresIn, ticket }) => ({ ticket: handOut(ticket), expires_in: expiresIn })),
        Effect.catchTags({ StoreUnavailable: () => new Problems.Unavailable({}) })
      ),
    register: ({ payload, request }) =>
      addressOf(request).pipe(
        Effect.flatMap((address) =>
          register({ appId: payload.app_id, username: payload.username, password: payload.password, address })
        ),
        Effect.map(toSignedIn),
        Effect.catchTags({
          ...logInProblems,
          RegistrationDisabled: () => new Problems.RegistrationDisabled({}),
          UsernameTaken: () => new Problems.UsernameTaken({}),
          WeakPassword: weakPassword("password")
        })
      ),
    mySessions: Effect.fnUntraced(function* () {
      const { sessionId, tenantId, user } = yield* CurrentSession
      const store = yield* TokenStore
      const sessions = yield* store.list(tenantId, user.id)
      return sessions.map((session) => ({ ...toSession(session), current: session.id === sessionId }))
    }, Effect.catchTags({ StoreUnavailable: () => new Problems.Unavailable({}) })),
    endMySessions: Effect.fnUntraced(function* () {
      const { sessionId, tenantId, user } = yield* CurrentSession
      yield* revokeSessions(tenantId, user.id, { keep: sessionId })
    }, Effect.catchTags({ StoreUnavailable: () => new Problems.Unavailable({}) })),
    endMySession: Effect.fnUntraced(
      function* ({ params }) {
        const { tenantId, user } = yield* CurrentSession
        yield* revokeSession(tenantId, user.id, params.id)
      },
      Effect.catchTags({
        SessionNotFound: () => new Problems.NotFound({ detail: "No such session" }),
        StoreUnavailable: () => new Problems.Unavailable({})
      })
    ),
    changePassword: Effect.fnUntraced(
      function* ({ payload, request }) {
        const principal = yield* CurrentSession
        const address = yield* addressOf(request)
        yield* changePassword(principal, { current: payload.current_password, next: payload.new_password, address })
      },
      Effect.catchTags({
        RateLimited: tooMany,
        InvalidCredentials: () => new Problems.InvalidCredentials({}),
        WeakPassword: weakPassword("new_password"),
        HasherBusy: () => new Problems.Unavailable({}),
        StoreUnavailable: () => new Problems.Unavailable({})
      })
    ),
    logout: () =>
      CurrentSession.pipe(
        Effect.flatMap(logout),
        Effect.catchTags({ StoreUnavailable: () => new Problems.Unavailable({}) })
      )
  }))
