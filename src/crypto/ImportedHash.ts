// Hashes that Roomkey does not make itself. Each is verified as the system that made it did.
import { hashProblem, parseScrypt } from "../domain/PasswordHash.ts"
import type { Verification } from "./HashWork.ts"

/**
 * How a password is checked against `phc`, if that is a bcrypt or scrypt hash at a bearable cost. bcrypt looks at the
 * first 72 bytes of a password, as it always did.
 */
export const importedVerification = (phc: string): ((password: string) => Verification) | undefined => {
  if (hashProblem(phc) !== undefined) return undefined
  if (phc.startsWith("$2")) return (password) => ({ _tag: "Bcrypt", password, phc })
  const expected = parseScrypt(phc)
  return expected === undefined ? undefined : (password) => ({ _tag: "Scrypt", password, expected })
}
