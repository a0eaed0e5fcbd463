import { Effect, Option } from "effect"
import { Event } from "../../domain/Event.ts"
import type { TenantId, UserId } from "../../domain/Ids.ts"
import type { WeakPassword } from "../../domain/Password.ts"
import type { NewCredential } from "../../domain/PasswordHash.ts"
import type { HasherBusy, StoreUnavailable } from "../../domain/Unavailable.ts"
import { UserNotFound } from "../../domain/User.ts"
import type { CommonPasswords } from "../../services/CommonPasswords.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { EventBus } from "../../services/EventBus.ts"
import type { PasswordHasher } from "../../services/PasswordHasher.ts"
import type { TenantRepository } from "../../services/TenantRepository.ts"
import { UserRepository } from "../../services/UserRepository.ts"
import { hashOf } from "./HashNewPassword.ts"

/** A tenant sets a user's password, or the hash of it. Who was signed in with the old one is signed out everywhere. */
export const setPassword = Effect.fn("setPassword")(function* (
  tenantId: TenantId,
  userId: UserId,
  credential: NewCredential
): Effect.fn.Return<
  void,
  UserNotFound | WeakPassword | HasherBusy | StoreUnavailable,
  UserRepository | TenantRepository | CommonPasswords | PasswordHasher | EventBus | AuditLog
> {
  const users = yield* UserRepository
  const bus = yield* EventBus
  const audit = yield* AuditLog
  const user = yield* users.find(tenantId, userId)
  if (Option.isNone(user)) return yield* new UserNotFound()
  const hash = yield* hashOf(tenantId, user.value.username, credential)
  const ended = yield* users.setPassword(tenantId, userId, hash)
  if (ended.length > 0) yield* bus.publish(Event.SessionsEnded({ sessionIds: ended, reason: "password_changed" }))
  yield* audit.record({ tenantId, type: "password_set", userId })
  yield* Effect.logInfo("Password set").pipe(Effect.annotateLogs({ tenantId, userId, sessionsEnded: ended.length }))
})
