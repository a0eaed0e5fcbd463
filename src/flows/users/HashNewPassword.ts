// Every password that is ever stored comes through here first.
import { Effect, Option, Redacted } from "effect"
import type { TenantId } from "../../domain/Ids.ts"
import { type Password, PasswordPolicy, weakness, type WeakPassword } from "../../domain/Password.ts"
import type { NewCredential } from "../../domain/PasswordHash.ts"
import type { HasherBusy, StoreUnavailable } from "../../domain/Unavailable.ts"
import { CommonPasswords } from "../../services/CommonPasswords.ts"
import { HashOwner, PasswordHasher } from "../../services/PasswordHasher.ts"
import { TenantRepository } from "../../services/TenantRepository.ts"

/** The hash of `password`, if the tenant's rules allow it for `username`. */
export const hashNewPassword = Effect.fn("hashNewPassword")(function* (
  tenantId: TenantId,
  username: string,
  password: Password
): Effect.fn.Return<
  string,
  WeakPassword | HasherBusy | StoreUnavailable,
  TenantRepository | CommonPasswords | PasswordHasher
> {
  const tenants = yield* TenantRepository
  const common = yield* CommonPasswords
  const hasher = yield* PasswordHasher
  const policy = yield* PasswordPolicy
  const ofTenant = Option.getOrElse(yield* tenants.passwordMinLength(tenantId), () => 0)
  const minLength = Math.max(policy.minLength, ofTenant)
  const weak = weakness(password, { username, minLength, isCommon: common.has })
  if (weak !== undefined) return yield* weak
  return yield* Effect.provideService(hasher.hash(password), HashOwner, String(tenantId))
})

/** What is stored of a credential: of a password its hash, if the rules allow it; a hash that was brought along as it is. */
export const hashOf = Effect.fnUntraced(function* (
  tenantId: TenantId,
  username: string,
  credential: NewCredential
): Effect.fn.Return<
  string,
  WeakPassword | HasherBusy | StoreUnavailable,
  TenantRepository | CommonPasswords | PasswordHasher
> {
  return "password" in credential
    ? yield* hashNewPassword(tenantId, username, credential.password)
    : Redacted.value(credential.passwordHash)
})
