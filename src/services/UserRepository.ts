import { Context, type Effect, type Option } from "effect"
import type { SessionId, TenantId, UserId } from "../domain/Ids.ts"
import type { StoreUnavailable } from "../domain/Unavailable.ts"
import type {
  CustomId,
  CustomIdImmutable,
  CustomIdTaken,
  Metadata,
  PictureUrl,
  Profile,
  User,
  UsernameTaken,
  UserNotFound
} from "../domain/User.ts"

/** What a password login needs to know of a tenant, found by the public app id, and of its user, if there is one. */
export interface LoginRecord {
  readonly tenantId: TenantId
  readonly tenantSuspended: boolean
  readonly user: { readonly id: UserId; readonly banned: boolean; readonly passwordHash: string | null } | null
}

export interface UserRecord extends User {
  readonly banned: boolean
  readonly hasPassword: boolean
  /** Milliseconds of the Unix epoch. */
  readonly createdAt: number
}

export interface UserChange {
  readonly customId?: CustomId | undefined
  readonly pictureUrl?: PictureUrl | null | undefined
  readonly metadata?: Metadata | null | undefined
  /** A ban ends every session of the user. */
  readonly banned?: boolean | undefined
}

export interface ChangedUser {
  readonly user: UserRecord
  /** The sessions that the change ended. */
  readonly ended: ReadonlyArray<SessionId>
}

export interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** Where the next page starts, or `null` on the last. */
  readonly next: number | null
}

/** A tenant's users. Every method sees one tenant only. */
export class UserRepository extends Context.Service<UserRepository, {
  readonly findForLogin: (
    appId: string,
    username: string
  ) => Effect.Effect<Option.Option<LoginRecord>, StoreUnavailable>
  readonly find: (tenantId: TenantId, userId: UserId) => Effect.Effect<Option.Option<UserRecord>, StoreUnavailable>
  readonly create: (
    tenantId: TenantId,
    profile: Profile,
    passwordHash: string | null
  ) => Effect.Effect<UserRecord, UsernameTaken | CustomIdTaken | StoreUnavailable>
  /** In order of id; `after` is the last id of the page before. `search` is a part of the username or custom id. */
  readonly list: (
    tenantId: TenantId,
    options: { readonly after: number; readonly limit: number; readonly search?: string | undefined }
  ) => Effect.Effect<Page<UserRecord>, StoreUnavailable>
  /** What a tenant may change by hand, all of it or nothing; absent fields stay. */
  readonly update: (
    tenantId: TenantId,
    userId: UserId,
    change: UserChange
  ) => Effect.Effect<ChangedUser, UserNotFound | CustomIdTaken | CustomIdImmutable | StoreUnavailable>
  /** Removes the user and its sessions; answers those sessions. */
  readonly remove: (
    tenantId: TenantId,
    userId: UserId
  ) => Effect.Effect<ReadonlyArray<SessionId>, UserNotFound | StoreUnavailable>
  /** The user's password hash, if it has one. */
  readonly findPasswordHash: (
    tenantId: TenantId,
    userId: UserId
  ) => Effect.Effect<Option.Option<string>, StoreUnavailable>
  /**
   * Sets the password and ends the user's sessions, but for `keep`; answers those sessions. With `from`, only if that
   * still is the hash: `UserNotFound` otherwise.
   */
  readonly setPassword: (
    tenantId: TenantId,
    userId: UserId,
    passwordHash: string,
    options?: { readonly from: string; readonly keep: SessionId }
  ) => Effect.Effect<ReadonlyArray<SessionId>, UserNotFound | StoreUnavailable>
  /** Replaces a hash by one of the same password with the present parameters; does nothing if it changed meanwhile. */
  readonly upgradePasswordHash: (
    userId: UserId,
    from: string,
    to: string
  ) => Effect.Effect<void, StoreUnavailable>
}>()("roomkey/services/UserRepository") {}
