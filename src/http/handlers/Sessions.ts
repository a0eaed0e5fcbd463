// Sign-in, refresh, the caller itself, and logout.
import { Effect, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../../api/Api.ts"
import { CurrentSession, PresentedKey } from "../../api/Authorization.ts"
import * as Problems from "../../api/Problems.ts"
import { toProfile, toUser } from "../../api/User.ts"
import type { SignedIn, TokenPair } from "../../domain/Session.ts"
import { autoAuth } from "../../flows/sessions/AutoAuth.ts"
import { logout } from "../../flows/sessions/Logout.ts"
import { passwordAuth } from "../../flows/sessions/PasswordAuth.ts"
import { refreshSession } from "../../flows/sessions/RefreshSession.ts"

const toPair = (pair: TokenPair) => ({
  token: Redacted.value(pair.token),
  refresh_token: Redacted.value(pair.refreshToken),
  expires_in: pair.expiresIn
})

const toSignedIn = (signedIn: SignedIn) => ({ ...toPair(signedIn), user: toUser(signedIn.user) })

export const sessionsLayer = HttpApiBuilder.group(Api, "sessions", (handlers) =>
  handlers.handleAll({
    autoAuth: ({ payload }) =>
      PresentedKey.pipe(
        Effect.flatMap((key) => autoAuth(key, toProfile(payload))),
        Effect.map(toSignedIn),
        Effect.catchTags({
          InvalidApiKey: () => new Problems.InvalidApiKey({}),
          TenantSuspended: () => new Problems.TenantSuspended({}),
          UserBanned: () => new Problems.UserBanned({}),
          CustomIdTaken: () => new Problems.CustomIdTaken({}),
          CustomIdImmutable: () => new Problems.CustomIdImmutable({}),
          StoreUnavailable: () => new Problems.Unavailable({})
        })
      ),
    passwordAuth: ({ payload }) =>
      passwordAuth({ appId: payload.app_id, username: payload.username, password: payload.password }).pipe(
        Effect.map(toSignedIn),
        Effect.catchTags({
          InvalidCredentials: () => new Problems.InvalidCredentials({}),
          TenantSuspended: () => new Problems.TenantSuspended({}),
          UserBanned: () => new Problems.UserBanned({}),
          HasherBusy: () => new Problems.Unavailable({}),
          StoreUnavailable: () => new Problems.Unavailable({})
        })
      ),
    refresh: ({ payload }) =>
      refreshSession(payload.refresh_token).pipe(
        Effect.map(toPair),
        Effect.catchTags({
          InvalidRefreshToken: () => new Problems.InvalidRefreshToken({}),
          RefreshTokenReused: () => new Problems.RefreshTokenReused({}),
          UserBanned: () => new Problems.UserBanned({}),
          TenantSuspended: () => new Problems.TenantSuspended({}),
          StoreUnavailable: () => new Problems.Unavailable({})
        })
      ),
    me: () =>
      Effect.map(CurrentSession, ({ tenantId, user }) => {
        const { id, username, ...profile } = toUser(user)
        return { id, username, tenant_id: tenantId, ...profile }
      }),
    logout: () =>
      CurrentSession.pipe(
        Effect.flatMap(logout),
        Effect.catchTags({ StoreUnavailable: () => new Problems.Unavailable({}) })
      )
  }))
