import { Effect, Option } from "effect"
import { Event } from "../../domain/Event.ts"
import { InvalidCredentials, type Password, type WeakPassword } from "../../domain/Password.ts"
import type { SessionPrincipal } from "../../domain/Principal.ts"
import { nobody, type RateLimited } from "../../domain/RateLimit.ts"
import type { HasherBusy, StoreUnavailable } from "../../domain/Unavailable.ts"
import type { CommonPasswords } from "../../services/CommonPasswords.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { EventBus } from "../../services/EventBus.ts"
import { HashOwner, PasswordHasher } from "../../services/PasswordHasher.ts"
import type { RateLimits } from "../../services/RateLimits.ts"
import type { TenantRepository } from "../../services/TenantRepository.ts"
import { UserRepository } from "../../services/UserRepository.ts"
import { limitLogins } from "../sessions/LimitLogins.ts"
import { hashNewPassword } from "./HashNewPassword.ts"

/** A user who knows its password changes it, stays signed in here and is signed out everywhere else. */
export const changePassword = Effect.fn("changePassword")(function* (
  principal: SessionPrincipal,
  change: { readonly current: Password; readonly next: Password; readonly address?: string | undefined }
): Effect.fn.Return<
  void,
  InvalidCredentials | RateLimited | WeakPassword | HasherBusy | StoreUnavailable,
  UserRepository | TenantRepository | CommonPasswords | PasswordHasher | RateLimits | EventBus | AuditLog
> {
  const users = yield* UserRepository
  // A stolen session is no better place to guess the password than the login.
  yield* limitLogins({ account: `user ${principal.user.id}`, address: change.address ?? nobody }, {
    find: users.findPasswordHash(principal.tenantId, principal.user.id),
    check: (hash) => check(principal, change.current, hash),
    proceed: (hash) => replace(principal, hash, change.next)
  })
})

/** The hash that `current` is right for. */
const check = Effect.fnUntraced(function* (
  { sessionId, tenantId, user }: SessionPrincipal,
  current: Password,
  hash: Option.Option<string>
): Effect.fn.Return<string, InvalidCredentials | HasherBusy, PasswordHasher | AuditLog> {
  const hasher = yield* PasswordHasher
  const audit = yield* AuditLog
  const verify = (hash: string) => Effect.provideService(hasher.verify(current, hash), HashOwner, String(tenantId))
  if (Option.isSome(hash) && (yield* verify(hash.value))) return hash.value
  yield* audit.record({
    tenantId,
    type: "sign_in_failed",
    userId: user.id,
    sessionId,
    detail: { reason: "wrong_current_password" }
  })
  return yield* new InvalidCredentials()
})

const replace = Effect.fnUntraced(function* (
  { sessionId, tenantId, user }: SessionPrincipal,
  from: string,
  next: Password
): Effect.fn.Return<
  void,
  InvalidCredentials | WeakPassword | HasherBusy | StoreUnavailable,
  UserRepository | TenantRepository | CommonPasswords | PasswordHasher | EventBus | AuditLog
> {
  const users = yield* UserRepository
  const bus = yield* EventBus
  const audit = yield* AuditLog
  const hash = yield* hashNewPassword(tenantId, user.username, next)
  const sessionIds = yield* users.setPassword(tenantId, user.id, hash, { from, keep: sessionId }).pipe(
    // The password that was right a moment ago has been changed since.
    Effect.catchTags({ UserNotFound: () => new InvalidCredentials() })
  )
  if (sessionIds.length > 0) yield* bus.publish(Event.SessionsEnded({ sessionIds, reason: "password_changed" }))
  yield* audit.record({ tenantId, type: "password_changed", userId: user.id, sessionId })
  yield* Effect.logInfo("Password changed").pipe(Effect.annotateLogs({ tenantId, userId: user.id }))
})
