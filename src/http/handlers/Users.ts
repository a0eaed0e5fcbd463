// A tenant's users, for its backend.
import { Effect, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../../api/Api.ts"
import { CurrentTenant } from "../../api/Authorization.ts"
import { timestamp } from "../../api/Common.ts"
import * as Problems from "../../api/Problems.ts"
import { toSession } from "../../api/Sessions.ts"
import { toProfile, toUser } from "../../api/User.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { Password } from "../../domain/Password.ts"
import type { NewCredential, PasswordHash } from "../../domain/PasswordHash.ts"
import { UserNotFound } from "../../domain/User.ts"
import { revokeSession, revokeSessions } from "../../flows/sessions/RevokeSessions.ts"
import { changeUser } from "../../flows/users/ChangeUser.ts"
import { createUser } from "../../flows/users/CreateUser.ts"
import { eraseUser } from "../../flows/users/EraseUser.ts"
import { setPassword } from "../../flows/users/SetPassword.ts"
import { TokenStore } from "../../services/TokenStore.ts"
import { type UserRecord, UserRepository } from "../../services/UserRepository.ts"
import { weakPassword } from "../WeakPassword.ts"

const toTenantUser = (user: UserRecord) => ({
  ...toUser(user),
  banned: user.banned,
  has_password: user.hasPassword,
  created_at: timestamp(user.createdAt)
})

const noSuchUser = () => new Problems.NotFound({ detail: "No such user" })
const noSuchSession = () => new Problems.NotFound({ detail: "No such session" })
const unavailable = () => new Problems.Unavailable({})

const wrongField = (path: string, message: string) => new Problems.InvalidRequest({ errors: [{ path, message }] })

const credentialIn = Effect.fnUntraced(function* (payload: {
  readonly password?: Password
  readonly password_hash?: PasswordHash
}): Effect.fn.Return<NewCredential | undefined, Problems.InvalidRequest> {
  const { password, password_hash: passwordHash } = payload
  if (passwordHash === undefined) return password === undefined ? undefined : { password }
  if (password !== undefined) return yield* wrongField("password_hash", "Expected a password or its hash, not both")
  return { passwordHash }
})

/** The user, of this tenant and no other. */
const findUser = Effect.fnUntraced(function* (id: UserId) {
  const { tenantId } = yield* CurrentTenant
  const users = yield* UserRepository
  const found = yield* users.find(tenantId, id)
  return Option.isNone(found) ? yield* new UserNotFound() : found.value
})

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
    }, Effect.catchTags({ StoreUnavailable: unavailable })),
    create: Effect.fnUntraced(
      function* ({ payload }) {
        const { tenantId } = yield* CurrentTenant
        return toTenantUser(yield* createUser(tenantId, toProfile(payload), yield* credentialIn(payload)))
      },
      Effect.catchTags({
        UsernameTaken: () => new Problems.UsernameTaken({}),
        CustomIdTaken: () => new Problems.CustomIdTaken({}),
        WeakPassword: weakPassword("password"),
        HasherBusy: unavailable,
        StoreUnavailable: unavailable
      })
    ),
    read: ({ params }) =>
      findUser(params.id).pipe(
        Effect.map(toTenantUser),
        Effect.catchTags({ UserNotFound: noSuchUser, StoreUnavailable: unavailable })
      ),
    change: Effect.fnUntraced(
      function* ({ params, payload }) {
        const { tenantId } = yield* CurrentTenant
        return toTenantUser(
          yield* changeUser(tenantId, params.id, {
            customId: payload.custom_id,
            pictureUrl: payload.picture_url,
            metadata: payload.metadata,
            banned: payload.banned
          })
        )
      },
      Effect.catchTags({
        UserNotFound: noSuchUser,
        CustomIdTaken: () => new Problems.CustomIdTaken({}),
        CustomIdImmutable: () => new Problems.CustomIdImmutable({}),
        StoreUnavailable: unavailable
      })
    ),
    erase: Effect.fnUntraced(function* ({ params }) {
      const { tenantId } = yield* CurrentTenant
      yield* eraseUser(tenantId, params.id)
    }, Effect.catchTags({ UserNotFound: noSuchUser, StoreUnavailable: unavailable })),
    sessions: Effect.fnUntraced(function* ({ params }) {
      const { tenantId } = yield* CurrentTenant
      const store = yield* TokenStore
      const { id } = yield* findUser(params.id)
      return (yield* store.list(tenantId, id)).map(toSession)
    }, Effect.catchTags({ UserNotFound: noSuchUser, StoreUnavailable: unavailable })),
    endSessions: Effect.fnUntraced(function* ({ params }) {
      const { tenantId } = yield* CurrentTenant
      const { id } = yield* findUser(params.id)
      yield* revokeSessions(tenantId, id)
    }, Effect.catchTags({ UserNotFound: noSuchUser, StoreUnavailable: unavailable })),
    endSession: Effect.fnUntraced(function* ({ params }) {
      const { tenantId } = yield* CurrentTenant
      yield* revokeSession(tenantId, null, params.id)
    }, Effect.catchTags({ SessionNotFound: noSuchSession, StoreUnavailable: unavailable })),
    setPassword: Effect.fnUntraced(
      function* ({ params, payload }) {
        const { tenantId } = yield* CurrentTenant
        const credential = yield* credentialIn(payload)
        if (credential === undefined) return yield* wrongField("password", "Expected a password, or a password_hash")
        yield* setPassword(tenantId, params.id, credential)
      },
      Effect.catchTags({
        UserNotFound: noSuchUser,
        WeakPassword: weakPassword("password"),
        HasherBusy: unavailable,
        StoreUnavailable: unavailable
      })
    )
  }))
