// Signing in, refreshing, and what a signed-in user may ask about itself.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { TenantId } from "../domain/Ids.ts"
import { Password } from "../domain/Password.ts"
import { Username } from "../domain/User.ts"
import { ApiKeyPresented, SessionToken } from "./Authorization.ts"
import {
  CustomIdImmutable,
  CustomIdTaken,
  InvalidApiKey,
  InvalidCredentials,
  InvalidRefreshToken,
  RefreshTokenReused,
  TenantSuspended,
  Unavailable,
  UserBanned
} from "./Problems.ts"
import { profileFields, User } from "./User.ts"

const tokenFields = {
  token: Schema.String.annotate({ description: "Session token: 64 hex characters" }),
  refresh_token: Schema.String.annotate({ description: "Refresh token: 64 hex characters" }),
  expires_in: Schema.Int.annotate({ description: "Life of the session token in seconds" })
}

export const TokenPair = Schema.Struct(tokenFields)

export const SignedIn = Schema.Struct({ ...tokenFields, user: User })

export const Me = Schema.Struct({
  id: User.fields.id,
  username: Schema.String,
  tenant_id: TenantId,
  custom_id: User.fields.custom_id,
  picture_url: User.fields.picture_url,
  metadata: User.fields.metadata
})

export class Sessions extends HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.post("autoAuth", "/api/auth/auto", {
      payload: Schema.Struct(profileFields),
      success: SignedIn,
      error: [InvalidApiKey, TenantSuspended, UserBanned, CustomIdTaken, CustomIdImmutable, Unavailable]
    }).middleware(ApiKeyPresented).annotateMerge(OpenApi.annotations({
      summary: "Sign one of your users in",
      description: "For tenant backends. Finds the user by username in the key's tenant, or creates it."
    })),
    HttpApiEndpoint.post("passwordAuth", "/api/auth/token", {
      payload: Schema.Struct({
        app_id: Schema.String.check(Schema.isMaxLength(256)),
        username: Username,
        password: Password
      }),
      success: SignedIn,
      error: [InvalidCredentials, TenantSuspended, UserBanned, Unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Sign in with a password",
      description: "For apps. Unknown app, unknown user and wrong password are the same answer."
    })),
    HttpApiEndpoint.post("refresh", "/api/token/refresh", {
      payload: Schema.Struct({ refresh_token: Schema.RedactedFromValue(Schema.String.check(Schema.isMaxLength(256))) }),
      success: TokenPair,
      error: [InvalidRefreshToken, RefreshTokenReused, UserBanned, TenantSuspended, Unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Trade a refresh token for the next pair",
      description: "Safe to repeat: the same refresh token gives the same pair for a while."
    })),
    HttpApiEndpoint.get("me", "/api/me", { success: Me }).middleware(SessionToken).annotateMerge(
      OpenApi.annotations({ summary: "Who the token signs in" })
    ),
    HttpApiEndpoint.post("logout", "/api/logout", {
      success: HttpApiSchema.NoContent,
      error: Unavailable
    }).middleware(SessionToken).annotateMerge(OpenApi.annotations({ summary: "End this session" }))
  )
  .annotateMerge(OpenApi.annotations({ title: "Sessions" })) {}
