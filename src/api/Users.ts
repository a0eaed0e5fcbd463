// A tenant's users, for its backend.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { UserId } from "../domain/Ids.ts"
import { Password } from "../domain/Password.ts"
import { ApiKey } from "./Authorization.ts"
import { CustomIdTaken, InvalidRequest, NotFound, Unavailable, UsernameTaken } from "./Problems.ts"
import { profileFields, User } from "./User.ts"

export const TenantUser = Schema.Struct({
  ...User.fields,
  banned: Schema.Boolean,
  has_password: Schema.Boolean,
  created_at: Schema.String
})

export const UserPage = Schema.Struct({
  users: Schema.Array(TenantUser),
  next_cursor: Schema.NullOr(Schema.String).annotate({ description: "Pass as `cursor` for the next page" })
})

export class Users extends HttpApiGroup.make("users")
  .add(
    HttpApiEndpoint.get("list", "/api/tenant/users", {
      query: {
        cursor: Schema.optional(Schema.NumberFromString.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(0))),
        limit: Schema.optional(
          Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 200 }))
        ),
        search: Schema.optional(Schema.String.check(Schema.isMaxLength(128)))
      },
      success: UserPage,
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({
      summary: "Your users, page by page",
      description: "In order of id. `search` is a part of the username or custom_id."
    })),
    HttpApiEndpoint.post("create", "/api/tenant/users", {
      payload: Schema.Struct({ ...profileFields, password: Schema.optionalKey(Password) }),
      success: TenantUser.pipe(HttpApiSchema.status(201)),
      error: [UsernameTaken, CustomIdTaken, InvalidRequest, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Add a user, with a password if it signs in by one" })),
    HttpApiEndpoint.put("setPassword", "/api/tenant/users/:id/password", {
      params: { id: UserId },
      payload: Schema.Struct({ password: Password }),
      success: HttpApiSchema.NoContent,
      error: [NotFound, InvalidRequest, Unavailable]
    }).annotateMerge(OpenApi.annotations({
      summary: "Set a user's password",
      description: "Ends every session of the user."
    }))
  )
  .middleware(ApiKey)
  .annotateMerge(OpenApi.annotations({ title: "Users" })) {}
