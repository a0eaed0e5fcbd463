// Hashes that a tenant brings along from the system that its users signed in to before: argon2id, bcrypt and scrypt, at a
// cost that this server is willing to pay at each of their logins.
import { Schema } from "effect"
import type { Password } from "./Password.ts"

/** Beyond these a stored hash is somebody's attempt to keep the server busy, or to have it killed for its memory. */
export const argon2Ceiling = { memoryKiB: 1_048_576, iterations: 10, parallelism: 16 }
const bcryptCost = { minimum: 4, maximum: 15 }
const scryptCeiling = { logN: 17, blockSize: 32, memoryBytes: 128 * 1024 * 1024, parallelism: 16, operations: 2 ** 22 }

const notOne = "Expected a hash by argon2id, bcrypt ($2a$, $2b$, $2y$) or scrypt, in PHC form"
const tooCostly = "Expected a hash that costs less to verify"

/** Bytes in base64 without padding, in the one spelling that they have; nothing for anything else. */
const decodedLength = (text: string): number | undefined => {
  if (!/^[A-Za-z0-9+/]+$/.test(text)) return undefined
  const rest = text.length % 4
  const last = text.slice(-1)
  if (rest === 1 || (rest === 2 && !/[AQgw]/.test(last)) || (rest === 3 && !/[AEIMQUYcgkosw048]/.test(last))) {
    return undefined
  }
  return Math.floor(text.length * 3 / 4)
}

const hasBytes = (text: string | undefined, minimum: number, maximum: number): boolean => {
  const length = text === undefined ? undefined : decodedLength(text)
  return length !== undefined && length >= minimum && length <= maximum
}

/** The numbers of `a=1,b=2`, if those are the names, in that order. */
const parameters = (text: string | undefined, names: ReadonlyArray<string>): ReadonlyArray<number> | undefined => {
  const parts = text?.split(",") ?? []
  if (parts.length !== names.length) return undefined
  const numbers = parts.map((part, n) => {
    const [name, value = "", ...more] = part.split("=")
    return name === names[n] && more.length === 0 && /^[1-9]\d{0,9}$/.test(value) ? Number(value) : NaN
  })
  return numbers.some(Number.isNaN) ? undefined : numbers
}

const argon2Problem = ([, , version, costs, salt, hash, ...more]: ReadonlyArray<string>): string | undefined => {
  const [memory, iterations, parallelism] = parameters(costs, ["m", "t", "p"]) ?? []
  if (version !== "v=19" || memory === undefined || iterations === undefined || parallelism === undefined) return notOne
  if (more.length > 0 || !hasBytes(salt, 8, 64) || !hasBytes(hash, 16, 64) || memory < 8 * parallelism) return notOne
  const { iterations: t, memoryKiB: m, parallelism: p } = argon2Ceiling
  return memory > m || iterations > t || parallelism > p ? tooCostly : undefined
}

/** A salt of 16 bytes and a hash of 23, each in the one spelling that it has: no other was ever written, none verifies. */
const bcryptDigest = /^[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]$/

const bcryptProblem = ([, , cost = "", digest = "", ...more]: ReadonlyArray<string>): string | undefined => {
  if (!/^\d\d$/.test(cost) || !bcryptDigest.test(digest) || more.length > 0) return notOne
  if (Number(cost) < bcryptCost.minimum) return notOne
  return Number(cost) > bcryptCost.maximum ? tooCostly : undefined
}

export interface ScryptHash {
  readonly n: number
  readonly r: number
  readonly p: number
  /** In base64 without padding. */
  readonly salt: string
  readonly hash: string
}

/** The parts of a PHC string by scrypt (`$scrypt$ln=14,r=8,p=1$salt$hash`). */
export const parseScrypt = (phc: string): ScryptHash | undefined => {
  const [, , costs, salt = "", hash = "", ...more] = phc.split("$")
  const [logN, r, p] = parameters(costs, ["ln", "r", "p"]) ?? []
  if (!phc.startsWith("$scrypt$") || logN === undefined || r === undefined || p === undefined) return undefined
  if (more.length > 0 || !hasBytes(salt, 8, 64) || !hasBytes(hash, 16, 64)) return undefined
  // RFC 7914 defines scrypt for N < 2^(128 r / 8), and libraries fail beyond.
  if (logN >= 16 * r) return undefined
  return { n: 2 ** logN, r, p, salt, hash }
}

const scryptProblem = (phc: string): string | undefined => {
  const parsed = parseScrypt(phc)
  if (parsed === undefined) return notOne
  const { n, p, r } = parsed
  const { blockSize, logN, memoryBytes, operations, parallelism } = scryptCeiling
  if (n > 2 ** logN || r > blockSize || p > parallelism) return tooCostly
  return 128 * n * r > memoryBytes || n * r * p > operations ? tooCostly : undefined
}

/** Why `phc` cannot be taken over, if it cannot. Looks at each character a fixed number of times. */
export const hashProblem = (phc: string): string | undefined => {
  const parts = phc.split("$")
  if (parts[0] !== "") return notOne
  switch (parts[1]) {
    case "argon2id":
      return argon2Problem(parts)
    case "2a":
    case "2b":
    case "2y":
      return bcryptProblem(parts)
    case "scrypt":
      return scryptProblem(phc)
    default:
      return notOne
  }
}

/** A hash that a tenant brings along; kept from logs like the password that it is of. */
export const PasswordHash = Schema.RedactedFromValue(
  Schema.String.check(Schema.makeFilter((text: string) => hashProblem(text) ?? true)),
  { label: "password_hash" }
)
export type PasswordHash = typeof PasswordHash.Type

/** By what a user is to sign in from now on. */
export type NewCredential = { readonly password: Password } | { readonly passwordHash: PasswordHash }
