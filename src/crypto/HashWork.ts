// The hashing that there is to do, as it is said to the thread that does it, where nothing of Effect is loaded.
import { hashSync, type Options, verifySync } from "@node-rs/argon2"
import { verifySync as verifyBcrypt } from "@node-rs/bcrypt"
import { scryptSync, timingSafeEqual } from "node:crypto"
import type { ScryptHash } from "../domain/PasswordHash.ts"

/** Answers a new hash in PHC form. */
export interface Hashing {
  readonly _tag: "Hash"
  readonly password: string
  readonly options: Options
}

/** Answers whether the password is the right one. */
export type Verification =
  | { readonly _tag: "Argon2" | "Bcrypt"; readonly password: string; readonly phc: string }
  | { readonly _tag: "Scrypt"; readonly password: string; readonly expected: ScryptHash }

export type Work = Hashing | Verification

export type Answer<W extends Work> = W extends Hashing ? string : boolean

const verifyScrypt = (password: string, { hash, n, p, r, salt }: ScryptHash): boolean => {
  const expected = Buffer.from(hash, "base64")
  // What the work needs, and something for the library beside it.
  const maxmem = 128 * r * (n + p + 2) + 1024 * 1024
  const derived = scryptSync(password, Buffer.from(salt, "base64"), expected.length, { N: n, r, p, maxmem })
  return timingSafeEqual(derived, expected)
}

const answer = (work: Work): string | boolean => {
  switch (work._tag) {
    case "Hash":
      return hashSync(work.password, work.options)
    case "Argon2":
      return verifySync(work.phc, work.password)
    case "Bcrypt":
      return verifyBcrypt(work.password, work.phc)
    case "Scrypt":
      return verifyScrypt(work.password, work.expected)
  }
}

/** Does it here and now. */
export const perform = <W extends Work>(work: W): Answer<W> => answer(work) as Answer<W>
