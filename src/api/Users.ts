// A tenant's users, for its backend.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { SessionId, UserId } from "../domain/Ids.ts"
import { Password } from "../domain/Password.ts"
import { PasswordHash } from "../domain/PasswordHash.ts"
import { StorableText } from "../domain/Text.ts"
import { Metadata, PictureUrl } from "../domain/User.ts"
import { ApiKey } from "./Authorization.ts"
import { pageQuery } from "./Common.ts"
import { CustomIdImmutable, CustomIdTaken, InvalidRequest, NotFound, Unavailable, UsernameTaken } from "./Problems.ts"
import { Session } from "./Sessions.ts"
import { profileFields, User } from "./User.ts"

export const TenantUser = Schema.Struct({
  ...User.fields,
  banned: Schema.Boolean,
  has_password: Schema.Boolean,
  created_at: Schema.String
})

/** One of the two. */
const credentialFields = {
  password: Schema.optionalKey(Password),
  password_hash: Schema.optionalKey(PasswordHash).annotate({
    description: "argon2id or scrypt in PHC form, or bcrypt; made anew by Roomkey at the next login"
  })
}
/** What `POST /api/tenant/users` takes. */
export const NewUser = Schema.Struct({ ...profileFields, ...credentialFields })

export const UserPage = Schema.Struct({
  users: Schema.Array(TenantUser),
  next_cursor: Schema.NullOr(Schema.String).annotate({ description: "Pass as `cursor` for the next page" })
})

export class Users extends HttpApiGroup.make("users")
  .add(
    HttpApiEndpoint.get("list", "/api/tenant/users", {
      query: {
        ...pageQuery,
        search: Schema.optional(StorableText.check(Schema.isMaxLength(128)))
      },
      success: UserPage,
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({
      summary: "Your users, page by page",
      description: "In order of id. `search` is a part of the username or custom_id."
    })),
    HttpApiEndpoint.post("create", "/api/tenant/users", {
      payload: NewUser,
      success: TenantUser.pipe(HttpApiSchema.status(201)),
      error: [UsernameTaken, CustomIdTaken, InvalidRequest, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Add a user, with a password, or the hash of one, if it signs in by one" })
    ),
    HttpApiEndpoint.get("read", "/api/tenant/users/:id", {
      params: { id: UserId },
      success: TenantUser,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "One user" })),
    HttpApiEndpoint.patch("change", "/api/tenant/users/:id", {
      params: { id: UserId },
      payload: Schema.Struct({
        custom_id: profileFields.custom_id,
        picture_url: Schema.optionalKey(Schema.NullOr(PictureUrl)),
        metadata: Schema.optionalKey(Schema.NullOr(Metadata)),
        banned: Schema.optionalKey(Schema.Boolean)
      }),
      success: TenantUser,
      error: [NotFound, CustomIdTaken, CustomIdImmutable, Unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Change a user, ban or unban it",
      description: "Absent fields stay. A ban ends every session of the user."
    })),
    HttpApiEndpoint.delete("erase", "/api/tenant/users/:id", {
      params: { id: UserId },
      success: HttpApiSchema.NoContent,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Erase a user and everything of theirs" })),
    HttpApiEndpoint.get("sessions", "/api/tenant/users/:id/sessions", {
      params: { id: UserId },
      success: Schema.Array(Session),
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Where a user is signed in" })),
    HttpApiEndpoint.delete("endSessions", "/api/tenant/users/:id/sessions", {
      params: { id: UserId },
      success: HttpApiSchema.NoContent,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Sign a user out everywhere" })),
    HttpApiEndpoint.delete("endSession", "/api/tenant/sessions/:id", {
      params: { id: SessionId },
      success: HttpApiSchema.NoContent,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "End one session" })),
    HttpApiEndpoint.put("setPassword", "/api/tenant/users/:id/password", {
      params: { id: UserId },
      payload: Schema.Struct(credentialFields),
      success: HttpApiSchema.NoContent,
      error: [NotFound, InvalidRequest, Unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Set a user's password",
      description: "`password`, or `password_hash` as it was elsewhere. Ends every session of the user."
    }))
  )
  .middleware(ApiKey)
  .annotateMerge(OpenApi.annotations({ title: "Users" })) {}
