// Signing in, refreshing, and what a signed-in user may ask about itself.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { SessionId, TenantId } from "../domain/Ids.ts"
import { Password } from "../domain/Password.ts"
import type { SessionInfo } from "../domain/Session.ts"
import { StorableText } from "../domain/Text.ts"
import { Username } from "../domain/User.ts"
import { ApiKeyPresented, SessionToken } from "./Authorization.ts"
import { Timestamp, timestamp } from "./Common.ts"
import {
  CustomIdImmutable,
  CustomIdTaken,
  InvalidApiKey,
  InvalidCredentials,
  InvalidRefreshToken,
  InvalidRequest,
  NotFound,
  RateLimited,
  RefreshTokenReused,
  RegistrationDisabled,
  TenantSuspended,
  Unavailable,
  UserBanned,
  UsernameTaken
} from "./Problems.ts"
import { profileFields, User } from "./User.ts"

const tokenFields = {
  token: Schema.String.annotate({ description: "Session token: 64 hex characters" }),
  refresh_token: Schema.String.annotate({ description: "Refresh token: 64 hex characters" }),
  expires_in: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).annotate({
    description: "Life of the session token in seconds"
  })
}

export const TokenPair = Schema.Struct(tokenFields)

export const SignedIn = Schema.Struct({ ...tokenFields, user: User })

export const Ticket = Schema.Struct({
  ticket: Schema.String.annotate({ description: "For one `GET /ws?ticket=`: 64 hex characters" }),
  expires_in: Schema.Int.annotate({ description: "Life of the ticket in seconds" })
})

export const Me = Schema.Struct({
  id: User.fields.id,
  username: Schema.String,
  tenant_id: TenantId,
  custom_id: User.fields.custom_id,
  picture_url: User.fields.picture_url,
  metadata: User.fields.metadata
})

export const Session = Schema.Struct({
  id: SessionId,
  created_at: Timestamp,
  last_seen_at: Timestamp.annotate({ description: "The last sign-in or refresh" }),
  expires_at: Timestamp.annotate({ description: "When it ends if it is never refreshed again" }),
  address: Schema.NullOr(Schema.String).annotate({ description: "Where the last sign-in or refresh came from" }),
  user_agent: Schema.NullOr(Schema.String)
})

export const toSession = (session: SessionInfo): typeof Session.Type => ({
  id: session.id,
  created_at: timestamp(session.createdAt),
  last_seen_at: timestamp(session.lastSeenAt),
  expires_at: timestamp(session.expiresAt),
  address: session.address,
  user_agent: session.userAgent
})

export const OwnSession = Schema.Struct({ ...Session.fields, current: Schema.Boolean })

/** What a backend says of its user. */
export const ProfileRequest = Schema.Struct(profileFields)

export const PasswordRequest = Schema.Struct({
  app_id: StorableText.check(Schema.isMaxLength(256)),
  username: Username,
  password: Password
})

export const RefreshRequest = Schema.Struct({
  refresh_token: Schema.RedactedFromValue(Schema.String.check(Schema.isMaxLength(256)))
})

export class Sessions extends HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.post("autoAuth", "/api/auth/auto", {
      payload: ProfileRequest,
      success: SignedIn,
      error: [InvalidApiKey, RateLimited, TenantSuspended, UserBanned, CustomIdTaken, CustomIdImmutable, Unavailable]
    }).middleware(ApiKeyPresented).annotateMerge(OpenApi.annotations({
      summary: "Sign one of your users in",
      description: "For tenant backends. Finds the user by username in the key's tenant, or creates it."
    })),
    HttpApiEndpoint.post("passwordAuth", "/api/auth/token", {
      payload: PasswordRequest,
      success: SignedIn,
      error: [InvalidCredentials, RateLimited, TenantSuspended, UserBanned, Unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Sign in with a password",
      description: "For apps. Unknown app, unknown user and wrong password are the same answer."
    })),
    HttpApiEndpoint.post("refresh", "/api/token/refresh", {
      payload: RefreshRequest,
      success: TokenPair,
      error: [InvalidRefreshToken, RefreshTokenReused, RateLimited, UserBanned, TenantSuspended, Unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Trade a refresh token for the next pair",
      description: "Safe to repeat: the same refresh token gives the same pair for a while."
    })),
    HttpApiEndpoint.get("me", "/api/me", { success: Me }).middleware(SessionToken).annotateMerge(
      OpenApi.annotations({ summary: "Who the token signs in" })
    ),
    HttpApiEndpoint.post("issueTicket", "/api/ws-ticket", {
      success: Ticket,
      error: Unavailable
    }).middleware(SessionToken).annotateMerge(OpenApi.annotations({
      summary: "A ticket that opens one socket",
      description: "For clients that can put a credential nowhere but into the URL. A session has the newest ten."
    })),
    HttpApiEndpoint.post("register", "/api/register", {
      payload: Schema.Struct({
        app_id: StorableText.check(Schema.isMaxLength(256)),
        username: Username,
        password: Password
      }),
      success: SignedIn.pipe(HttpApiSchema.status(201)),
      error: [
        RegistrationDisabled,
        RateLimited,
        TenantSuspended,
        UsernameTaken,
        InvalidRequest,
        InvalidCredentials,
        UserBanned,
        Unavailable
      ]
    }).annotateMerge(OpenApi.annotations({
      summary: "Make an account",
      description: "Where the tenant has switched it on."
    })),
    HttpApiEndpoint.get("mySessions", "/api/me/sessions", {
      success: Schema.Array(OwnSession),
      error: Unavailable
    }).middleware(SessionToken).annotateMerge(OpenApi.annotations({ summary: "Where you are signed in" })),
    HttpApiEndpoint.delete("endMySessions", "/api/me/sessions", {
      success: HttpApiSchema.NoContent,
      error: Unavailable
    }).middleware(SessionToken).annotateMerge(OpenApi.annotations({ summary: "Sign out everywhere else" })),
    HttpApiEndpoint.delete("endMySession", "/api/me/sessions/:id", {
      params: { id: SessionId },
      success: HttpApiSchema.NoContent,
      error: [NotFound, Unavailable]
    }).middleware(SessionToken).annotateMerge(OpenApi.annotations({ summary: "Sign out one device" })),
    HttpApiEndpoint.post("changePassword", "/api/me/password", {
      payload: Schema.Struct({ current_password: Password, new_password: Password }),
      success: HttpApiSchema.NoContent,
      error: [InvalidCredentials, InvalidRequest, RateLimited, Unavailable]
    }).middleware(SessionToken).annotateMerge(OpenApi.annotations({
      summary: "Change your password",
      description: "Signs out everywhere else."
    })),
    HttpApiEndpoint.post("logout", "/api/logout", {
      success: HttpApiSchema.NoContent,
      error: Unavailable
    }).middleware(SessionToken).annotateMerge(OpenApi.annotations({ summary: "End this session" }))
  )
  .annotateMerge(OpenApi.annotations({ title: "Sessions" })) {}
