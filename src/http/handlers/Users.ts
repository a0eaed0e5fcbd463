// A tenant's users, for its backend.
import { DateTime, Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../../api/Api.ts"
import { CurrentTenant } from "../../api/Authorization.ts"
import * as Problems from "../../api/Problems.ts"
import { toProfile, toUser } from "../../api/User.ts"
import type { WeakPassword } from "../../domain/Password.ts"
import { createUser } from "../../flows/users/CreateUser.ts"
import { setPassword } from "../../flows/users/SetPassword.ts"
import { type UserRecord, UserRepository } from "../../services/UserRepository.ts"

const toTenantUser = (user: UserRecord) => ({
  ...toUser(user),
  banned: user.banned,
  has_password: user.hasPassword,
  created_at: DateTime.formatIso(DateTime.makeUnsafe(user.createdAt))
})

const weakPassword = (weak: WeakPassword) => {
  const messages: Record<WeakPassword["reason"], string> = {
    too_short: `Expected at least ${weak.minLength} characters`,
    too_common: "Expected a password that is not among the commonest",
    is_username: "Expected a password that is not the username"
  }
  const message = messages[weak.reason]
  return new Problems.InvalidRequest({ detail: "The password is too weak", errors: [{ path: "password", message }] })
}

export const usersLayer = HttpApiBuilder.group(Api, "users", (handlers) =>
  handlers.handleAll({
    list: Effect.fnUntraced(function* ({ query }) {
      const { tenantId } = yield* CurrentTenant
      const users = yield* UserRepository
      const page = yield* users.list(tenantId, {
        after: query.cursor ?? 0,
        limit: query.limit ?? 50,
        search: query.search
      })
      return { users: page.items.map(toTenantUser), next_cursor: page.next === null ? null : String(page.next) }
    }, Effect.catchTags({ StoreUnavailable: () => new Problems.Unavailable({}) })),
    create: Effect.fnUntraced(
      function* ({ payload }) {
        const { tenantId } = yield* CurrentTenant
        return toTenantUser(yield* createUser(tenantId, toProfile(payload), payload.password))
      },
      Effect.catchTags({
        UsernameTaken: () => new Problems.UsernameTaken({}),
        CustomIdTaken: () => new Problems.CustomIdTaken({}),
        WeakPassword: weakPassword,
        HasherBusy: () => new Problems.Unavailable({}),
        StoreUnavailable: () => new Problems.Unavailable({})
      })
    ),
    setPassword: Effect.fnUntraced(
      function* ({ params, payload }) {
        const { tenantId } = yield* CurrentTenant
        yield* setPassword(tenantId, params.id, payload.password)
      },
      Effect.catchTags({
        UserNotFound: () => new Problems.NotFound({ detail: "No such user" }),
        WeakPassword: weakPassword,
        HasherBusy: () => new Problems.Unavailable({}),
        StoreUnavailable: () => new Problems.Unavailable({})
      })
    )
  }))
