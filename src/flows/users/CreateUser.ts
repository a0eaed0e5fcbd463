import { Effect } from "effect"
import type { TenantId } from "../../domain/Ids.ts"
import type { WeakPassword } from "../../domain/Password.ts"
import type { NewCredential } from "../../domain/PasswordHash.ts"
import type { HasherBusy, StoreUnavailable } from "../../domain/Unavailable.ts"
import type { CustomIdTaken, Profile, UsernameTaken } from "../../domain/User.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import type { CommonPasswords } from "../../services/CommonPasswords.ts"
import type { PasswordHasher } from "../../services/PasswordHasher.ts"
import type { TenantRepository } from "../../services/TenantRepository.ts"
import { type UserRecord, UserRepository } from "../../services/UserRepository.ts"
import { hashOf } from "./HashNewPassword.ts"

/** A tenant adds a user, with a password, with the hash of one, or without (such a user signs in through the tenant's backend only). */
export const createUser = Effect.fn("createUser")(function* (
  tenantId: TenantId,
  profile: Profile,
  credential: NewCredential | undefined
): Effect.fn.Return<
  UserRecord,
  UsernameTaken | CustomIdTaken | WeakPassword | HasherBusy | StoreUnavailable,
  UserRepository | TenantRepository | CommonPasswords | PasswordHasher | AuditLog
> {
  const users = yield* UserRepository
  const audit = yield* AuditLog
  const hash = credential === undefined ? null : yield* hashOf(tenantId, profile.username, credential)
  const user = yield* users.create(tenantId, profile, hash)
  yield* audit.record({ tenantId, type: "user_created", userId: user.id })
  return user
})
