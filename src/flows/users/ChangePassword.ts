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
export const changePassword = Effect.fn("changePassword")((
  principal: SessionPrincipal,
  change: { readonly current: Password; readonly next: Password; readonly address?: string | undefined }
): Effect.Effect<
  void,
  InvalidCredentials | RateLimited | WeakPassword | HasherBusy | StoreUnavailable,
  UserRepository | TenantRepository | CommonPasswords | PasswordHasher | RateLimits | EventBus | AuditLog
> =>
  // A stolen session is no better place to guess the password than the login.
  limitLogins(replacePassword(principal, change), {
    account: `user ${principal.user.id}`,
    address: change.address ?? nobody
  })
)

const replacePassword = Effect.fnUntraced(function* (
  { sessionId, tenantId, user }: SessionPrincipal,
  passwords: { readonly current: Password; readonly next: Password }
): Effect.fn.Return<
  void,
  InvalidCredentials | WeakPassword | HasherBusy | StoreUnavailable,
  UserRepository | TenantRepository | CommonPasswords | PasswordHasher | EventBus | AuditLog
> {
  const users = yield* UserRepository
  const hasher = yield* PasswordHasher
  const bus = yield* EventBus
  const audit = yield* AuditLog
  const verify = (hash: string) =>
    Effect.provideService(hasher.verify(passwords.current, hash), HashOwner, String(tenantId))
  const from = yield* users.findPasswordHash(tenantId, user.id)
  if (Option.isNone(from) || !(yield* verify(from.value))) {
    yield* audit.record({
      tenantId,
      type: "sign_in_failed",
      userId: user.id,
      sessionId,
      detail: { reason: "wrong_current_password" }
    })
    return yield* new InvalidCredentials()
  }
  const hash = yield* hashNewPassword(tenantId, user.username, passwords.next)
  const sessionIds = yield* users.setPassword(tenantId, user.id, hash, { from: from.value, keep: sessionId }).pipe(
    // The password that was right a moment ago has been changed since.
    Effect.catchTags({ UserNotFound: () => new InvalidCredentials() })
  )
  if (sessionIds.length > 0) yield* bus.publish(Event.SessionsEnded({ sessionIds, reason: "password_changed" }))
  yield* audit.record({ tenantId, type: "password_changed", userId: user.id, sessionId })
  yield* Effect.logInfo("Password changed").pipe(Effect.annotateLogs({ tenantId, userId: user.id }))
})
