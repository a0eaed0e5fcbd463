// A mobile app signs a user in with the public app id and a password. Until the password has proved right, every
// answer is the same one after the same work: nothing of the account shows to who does not own it.
import { Effect, Metric, Option } from "effect"
import type { TenantId, UserId } from "../../domain/Ids.ts"
import { InvalidCredentials, type Password } from "../../domain/Password.ts"
import { nobody, type RateLimited } from "../../domain/RateLimit.ts"
import type { SignedIn } from "../../domain/Session.ts"
import { TenantSuspended } from "../../domain/Tenant.ts"
import type { HasherBusy, StoreUnavailable } from "../../domain/Unavailable.ts"
import { UserBanned } from "../../domain/User.ts"
import { passwordChecks } from "../../Metrics.ts"
import { asUser } from "../../services/Actor.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import type { EventBus } from "../../services/EventBus.ts"
import { HashOwner, PasswordHasher } from "../../services/PasswordHasher.ts"
import type { RateLimits } from "../../services/RateLimits.ts"
import type { TokenCodec } from "../../services/TokenCodec.ts"
import { TokenStore } from "../../services/TokenStore.ts"
import { type LoginRecord, UserRepository } from "../../services/UserRepository.ts"
import { withSpan } from "../Span.ts"
import { issueTokens } from "./IssueTokens.ts"
import { limitLogins } from "./LimitLogins.ts"

export interface Login {
  readonly appId: string
  readonly username: string
  readonly password: Password
  /** The client's address; callers without one count as one. */
  readonly address?: string | undefined
}

export const passwordAuth = Effect.fnUntraced(function* (login: Login): Effect.fn.Return<
  SignedIn,
  InvalidCredentials | RateLimited | TenantSuspended | UserBanned | HasherBusy | StoreUnavailable,
  UserRepository | PasswordHasher | RateLimits | TokenCodec | TokenStore | EventBus | AuditLog
> {
  const users = yield* UserRepository
  return yield* limitLogins({ account: `${login.appId} ${login.username}`, address: login.address ?? nobody }, {
    find: users.findForLogin(login.appId, login.username),
    check: (found) => check(login.password, found),
    proceed: (account) => signIn(login.password, account)
  })
}, withSpan("passwordAuth"))

interface Account {
  readonly tenantId: TenantId
  readonly userId: UserId
  /** The one that the password was right for. */
  readonly passwordHash: string
}

const check = Effect.fnUntraced(function* (
  password: Password,
  found: Option.Option<LoginRecord>
): Effect.fn.Return<
  Account,
  InvalidCredentials | TenantSuspended | UserBanned | HasherBusy,
  PasswordHasher | AuditLog
> {
  const hasher = yield* PasswordHasher
  const audit = yield* AuditLog
  if (Option.isNone(found)) {
    yield* hasher.verifyNothing(password)
    return yield* refused
  }
  const { tenantId, tenantSuspended, user } = found.value
  const passwordHash = user?.passwordHash ?? null
  const right = yield* Effect.provideService(
    passwordHash === null ? Effect.as(hasher.verifyNothing(password), false) : hasher.verify(password, passwordHash),
    HashOwner,
    String(tenantId)
  )
  const failed = (reason: string) =>
    audit.record({
      tenantId,
      type: "sign_in_failed",
      detail: { reason },
      ...(user === null ? {} : { userId: user.id })
    })
  if (user === null || passwordHash === null || !right) {
    yield* failed(user === null ? "unknown_user" : passwordHash === null ? "no_password" : "wrong_password")
    return yield* refused
  }
  if (tenantSuspended) {
    yield* failed("tenant_suspended")
    return yield* new TenantSuspended({ tenantId })
  }
  if (user.banned) {
    yield* failed("user_banned")
    return yield* new UserBanned({ userId: user.id })
  }
  yield* Metric.update(passwordChecks.right, 1)
  return { tenantId, userId: user.id, passwordHash }
})

const signIn = Effect.fnUntraced(function* (
  password: Password,
  { passwordHash, tenantId, userId }: Account
): Effect.fn.Return<
  SignedIn,
  InvalidCredentials | TenantSuspended | UserBanned | StoreUnavailable,
  UserRepository | PasswordHasher | TokenCodec | TokenStore | EventBus | AuditLog
> {
  const users = yield* UserRepository
  const hasher = yield* PasswordHasher
  const store = yield* TokenStore
  const signedIn = yield* issueTokens(
    tenantId,
    "password",
    (tokens) => store.openForPassword(tenantId, userId, passwordHash, tokens)
  ).pipe(asUser)
  if (hasher.needsRehash(passwordHash)) {
    yield* hasher.hash(password).pipe(
      Effect.provideService(HashOwner, String(tenantId)),
      Effect.flatMap((hash) => users.upgradePasswordHash(userId, passwordHash, hash)),
      Effect.catch((error) =>
        Effect.logWarning("Password hash not upgraded").pipe(
          Effect.annotateLogs({ userId, error: error._tag })
        )
      )
    )
  }
  return signedIn
})

const refused = Metric.update(passwordChecks.refused, 1).pipe(
  Effect.andThen(Effect.fail(new InvalidCredentials()))
)
