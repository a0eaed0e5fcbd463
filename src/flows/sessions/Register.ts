// Anybody makes an account, where the tenant lets them.
import { Effect, Option } from "effect"
import type { InvalidCredentials, Password, WeakPassword } from "../../domain/Password.ts"
import { nobody, type RateLimited } from "../../domain/RateLimit.ts"
import type { SignedIn } from "../../domain/Session.ts"
import { RegistrationDisabled, TenantSuspended } from "../../domain/Tenant.ts"
import type { HasherBusy, StoreUnavailable } from "../../domain/Unavailable.ts"
import type { UserBanned, Username, UsernameTaken } from "../../domain/User.ts"
import { asUser } from "../../services/Actor.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import type { CommonPasswords } from "../../services/CommonPasswords.ts"
import type { EventBus } from "../../services/EventBus.ts"
import type { PasswordHasher } from "../../services/PasswordHasher.ts"
import { RateLimits } from "../../services/RateLimits.ts"
import { TenantRepository } from "../../services/TenantRepository.ts"
import type { TokenCodec } from "../../services/TokenCodec.ts"
import { TokenStore } from "../../services/TokenStore.ts"
import { UserRepository } from "../../services/UserRepository.ts"
import { hashNewPassword } from "../users/HashNewPassword.ts"
import { issueTokens } from "./IssueTokens.ts"

export const register = Effect.fn("register")(function* (account: {
  readonly appId: string
  readonly username: Username
  readonly password: Password
  /** The client's address; callers without one count as one. */
  readonly address?: string | undefined
}): Effect.fn.Return<
  SignedIn,
  | RegistrationDisabled
  | RateLimited
  | TenantSuspended
  | UsernameTaken
  | WeakPassword
  | InvalidCredentials
  | UserBanned
  | HasherBusy
  | StoreUnavailable,
  | TenantRepository
  | UserRepository
  | CommonPasswords
  | PasswordHasher
  | RateLimits
  | TokenCodec
  | TokenStore
  | EventBus
  | AuditLog
> {
  const tenants = yield* TenantRepository
  const users = yield* UserRepository
  const store = yield* TokenStore
  const limits = yield* RateLimits
  const audit = yield* AuditLog
  const tenant = yield* tenants.findByAppId(account.appId)
  if (Option.isNone(tenant) || !tenant.value.settings.registrationEnabled) return yield* new RegistrationDisabled()
  const { id: tenantId, suspended } = tenant.value
  if (suspended) return yield* new TenantSuspended({ tenantId })
  yield* limits.take("registration", account.address ?? nobody)
  const hash = yield* hashNewPassword(tenantId, account.username, account.password)
  const user = yield* users.create(tenantId, { username: account.username }, hash).pipe(
    // No custom id is asked for, so none can be taken.
    Effect.catchTags({ CustomIdTaken: Effect.die })
  )
  return yield* audit.record({ tenantId, type: "user_created", userId: user.id, detail: { method: "register" } }).pipe(
    Effect.andThen(
      issueTokens(tenantId, "register", (tokens) => store.openForPassword(tenantId, user.id, hash, tokens))
    ),
    asUser
  )
})
