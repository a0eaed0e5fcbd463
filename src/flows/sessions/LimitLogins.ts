// Guessing is bounded by who guesses: so many failures for an account from one address, and so many from an address in
// all. An attempt is paid for before the password is looked at, so that a hundred at once are not one; whatever turns out
// to be no wrong guess is given back.
import { Effect } from "effect"
import type { RateLimited } from "../../domain/RateLimit.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { RateLimits } from "../../services/RateLimits.ts"

/** `address` is the client's; `account` names what is guessed at. */
export const limitLogins = Effect.fnUntraced(function* <A, E extends { readonly _tag: string }, R>(
  login: Effect.Effect<A, E, R>,
  attempt: { readonly account: string; readonly address: string }
): Effect.fn.Return<A, E | RateLimited | StoreUnavailable, R | RateLimits> {
  const limits = yield* RateLimits
  const account = `${attempt.account} ${attempt.address}`
  // The account first: hammering one that is shut costs the address, and whoever shares it, nothing more.
  yield* limits.take("login_account", account)
  yield* limits.take("login_address", attempt.address).pipe(
    Effect.tapErrorTag("RateLimited", () => Effect.ignore(limits.giveBack("login_account", account)))
  )
  const giveBack = Effect.all([
    limits.giveBack("login_address", attempt.address),
    limits.giveBack("login_account", account)
  ]).pipe(Effect.ignore)
  return yield* login.pipe(
    Effect.tap(() => giveBack),
    // A database that is away is not asked to take anything back: the caller waits for an answer.
    Effect.tapError(({ _tag }) => _tag === "InvalidCredentials" || _tag === "StoreUnavailable" ? Effect.void : giveBack)
  )
})
