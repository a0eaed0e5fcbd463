import { Effect } from "effect"
import type { TenantId } from "../../domain/Ids.ts"
import type { Password, WeakPassword } from "../../domain/Password.ts"
import type { HasherBusy, StoreUnavailable } from "../../domain/Unavailable.ts"
import type { CustomIdTaken, Profile, UsernameTaken } from "../../domain/User.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import type { CommonPasswords } from "../../services/CommonPasswords.ts"
import type { PasswordHasher } from "../../services/PasswordHasher.ts"
import type { TenantRepository } from "../../services/TenantRepository.ts"
import { type UserRecord, UserRepository } from "../../services/UserRepository.ts"
import { hashNewPassword } from "./HashNewPassword.ts"

/** A tenant adds a user, with a password or without (such a user signs in through the tenant's backend only). */
export const createUser = Effect.fn("createUser")(function* (
  tenantId: TenantId,
  profile: Profile,
  password: Password | undefined
): Effect.fn.Return<
  UserRecord,
  UsernameTaken | CustomIdTaken | WeakPassword | HasherBusy | StoreUnavailable,
  UserRepository | TenantRepository | CommonPasswords | PasswordHasher | AuditLog
> {
  const users = yield* UserRepository
  const audit = yield* AuditLog
  const hash = password === undefined ? null : yield* hashNewPassword(tenantId, profile.username, password)
  const user = yield* users.create(tenantId, profile, hash)
  yield* audit.record({ tenantId, type: "user_created", userId: user.id })
  return user
})
