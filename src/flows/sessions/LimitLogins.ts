// Guessing is bounded by who guesses: so many failures for an account from one address, and so many from an address in
// all. An attempt is paid for before the password is looked at, so that a hundred at once are not one; whatever turns out
// to be no wrong guess is given back.
import { Effect } from "effect"
import type { Claim, RateLimited } from "../../domain/RateLimit.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { RateLimits } from "../../services/RateLimits.ts"

/** `address` is the client's; `account` names what is guessed at. */
export interface Attempt {
  readonly account: string
  readonly address: string
}

/** Finds the account while the attempt is paid for, checks the guess, and goes on when it was right. */
export const limitLogins = Effect.fnUntraced(function* <
  Account,
  Right,
  A,
  E1,
  E2 extends { readonly _tag: string },
  E3,
  R1,
  R2,
  R3
>(attempt: Attempt, login: {
  readonly find: Effect.Effect<Account, E1, R1>
  readonly check: (account: Account) => Effect.Effect<Right, E2, R2>
  readonly proceed: (right: Right) => Effect.Effect<A, E3, R3>
}): Effect.fn.Return<A, E1 | E2 | E3 | RateLimited | StoreUnavailable, R1 | R2 | R3 | RateLimits> {
  const limits = yield* RateLimits
  // The account first: hammering one that is shut costs the address, and whoever shares it, nothing more.
  const claims: ReadonlyArray<Claim> = [
    { action: "login_account", subject: `${attempt.account} ${attempt.address}` },
    { action: "login_address", subject: attempt.address }
  ]
  const giveBack = limits.giveBack(claims)
  const [, account] = yield* Effect.all([limits.takeAll(claims), login.find], { concurrency: 2 })
  const right = yield* login.check(account).pipe(
    Effect.tapError(({ _tag }) => _tag === "InvalidCredentials" ? Effect.void : giveBack)
  )
  yield* giveBack
  return yield* login.proceed(right)
})
