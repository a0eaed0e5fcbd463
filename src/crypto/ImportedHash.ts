// Hashes that Roomkey does not make itself. Each is verified as the system that made it did, off the event loop.
import { verify as verifyBcrypt } from "@node-rs/bcrypt"
import { scrypt, timingSafeEqual } from "node:crypto"
import { hashProblem, parseScrypt, type ScryptHash } from "../domain/PasswordHash.ts"

const verifyScrypt = (password: string, { hash, n, p, r, salt }: ScryptHash): Promise<boolean> => {
  const expected = Buffer.from(hash, "base64")
  // What the work needs, and something for the library beside it.
  const maxmem = 128 * r * (n + p + 2) + 1024 * 1024
  return new Promise((resolve, reject) =>
    scrypt(
      password,
      Buffer.from(salt, "base64"),
      expected.length,
      { N: n, r, p, maxmem },
      (error, derived) => error === null ? resolve(timingSafeEqual(derived, expected)) : reject(error)
    )
  )
}

/**
 * How a password is checked against `phc`, if that is a bcrypt or scrypt hash at a bearable cost. bcrypt looks at the
 * first 72 bytes of a password, as it always did.
 */
export const importedVerifier = (phc: string): ((password: string) => Promise<boolean>) | undefined => {
  if (hashProblem(phc) !== undefined) return undefined
  if (phc.startsWith("$2")) return (password) => verifyBcrypt(password, phc)
  const parsed = parseScrypt(phc)
  return parsed === undefined ? undefined : (password) => verifyScrypt(password, parsed)
}
