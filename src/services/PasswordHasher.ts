import { Context, type Effect } from "effect"
import type { Password } from "../domain/Password.ts"
import type { HasherBusy } from "../domain/Unavailable.ts"

/** Whom a hash is for. Owners take turns, so that the logins of one tenant do not keep another's waiting. */
export const HashOwner = Context.Reference<string>("roomkey/services/HashOwner", { defaultValue: () => "" })

/** Password hashing in bounded time and memory: `HasherBusy` when the queue for it is full. Hashes are PHC strings. */
export class PasswordHasher extends Context.Service<PasswordHasher, {
  readonly hash: (password: Password) => Effect.Effect<string, HasherBusy>
  readonly verify: (password: Password, hash: string) => Effect.Effect<boolean, HasherBusy>
  /** The work of `verify`, for a login that has no hash to compare with. */
  readonly verifyNothing: (password: Password) => Effect.Effect<void, HasherBusy>
  /** Whether `hash` was made with other parameters than the present ones. */
  readonly needsRehash: (hash: string) => boolean
}>()("roomkey/services/PasswordHasher") {}
