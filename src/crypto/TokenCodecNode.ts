// Tokens on node:crypto, which Deno has too. A raw secret exists where it is read and hashed at once, in a `Redacted`, and
// in the answer that hands it out, nowhere else; what is kept or compared is its SHA-256.
import { Clock, Effect, Layer, Option, Redacted } from "effect"
import { hash, randomFillSync, timingSafeEqual } from "node:crypto"
import { ApiKeyId, AppId, type SessionId } from "../domain/Ids.ts"
import type { HashedToken, MintedTokens } from "../domain/Session.ts"
import { TokenCodec } from "../services/TokenCodec.ts"

const idBytes = 16
const secretBytes = 16
const hashBytes = 32
const tokenPattern = /^[0-9a-f]{64}$/
const tokenLength = 2 * (idBytes + secretBytes)
const ticketBytes = 32
const apiKeyPrefix = "vc_"
const appIdPrefix = "vc_app_"

const sha256Hex = (bytes: Uint8Array): string => hash("sha256", bytes, "hex")

/** As text and back: on Node that is several times as fast as asking for bytes. */
const sha256 = (bytes: Uint8Array): Buffer => Buffer.from(sha256Hex(bytes), "hex")

const toHex = ({ buffer, byteLength, byteOffset }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString("hex")

const blockBytes = 64
const inner = Buffer.alloc(2 * blockBytes)
const outer = Buffer.alloc(blockBytes + hashBytes)
const noKey = new Uint8Array(0)

/** Writes the key into both, in place of whichever was there. */
const pad = (key: Uint8Array): void => {
  for (let index = 0; index < blockBytes; index++) {
    const byte = index < key.length ? key[index]! : 0
    inner[index] = byte ^ 0x36
    outer[index] = byte ^ 0x5c
  }
}

/**
 * RFC 2104, for a key and a message of at most a block each, as hexadecimal. Over hashes in one shot, which make no objects
 * of OpenSSL's, unlike `createHmac`.
 */
const hmacSha256 = (key: Uint8Array, message: Uint8Array): string => {
  inner.set(message, blockBytes)
  pad(key)
  outer.write(sha256Hex(inner.subarray(0, blockBytes + message.length)), blockBytes, "hex")
  const code = sha256Hex(outer)
  pad(noKey)
  return code
}

/** One system call's randomness serves many tokens; a byte that was handed out is wiped from the pool. */
const makeRandom = () => {
  const pool = new Uint8Array(4096)
  let used = pool.length
  return (size: number): Uint8Array => {
    if (used + size > pool.length) {
      randomFillSync(pool)
      used = 0
    }
    const bytes = pool.slice(used, used + size)
    pool.fill(0, used, used + size)
    used += size
    return bytes
  }
}

/** RFC 9562 section 5.7: 48 bits of milliseconds, version, 74 random bits. Later ids sort after earlier ones. */
const uuidv7 = (millis: number, random: Uint8Array): Buffer => {
  const bytes = Buffer.from(random)
  bytes.writeUIntBE(millis, 0, 6)
  bytes[6] = 0x70 | (bytes[6]! & 0x0f)
  bytes[8] = 0x80 | (bytes[8]! & 0x3f)
  return bytes
}

/** Of its bytes as hexadecimal, whatever follows them. */
const dashed = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`

/** Of hexadecimal, so that nobody need be asked whether it looks like one. */
const sessionId = (hex: string): SessionId => dashed(hex) as SessionId

/** Of the id and, one after the other, both secrets as hexadecimal. */
const pair = (id: string, secrets: string): MintedTokens => {
  const bytes = Buffer.from(secrets, "hex")
  return {
    sessionId: sessionId(id),
    token: Redacted.make(id + secrets.slice(0, 2 * secretBytes)),
    refreshToken: Redacted.make(id + secrets.slice(2 * secretBytes)),
    accessDigest: sha256(bytes.subarray(0, secretBytes)),
    refreshDigest: sha256(bytes.subarray(secretBytes))
  }
}

const isToken = (text: string): boolean => text.length === tokenLength && tokenPattern.test(text)

/** Of the secret behind the id. */
const digestOf = (token: string): Buffer => sha256(Buffer.from(token.slice(2 * idBytes), "hex"))

const hashToken = (text: string): Option.Option<HashedToken> =>
  isToken(text) ? Option.some({ sessionId: sessionId(text), digest: digestOf(text) }) : Option.none()

export const layer: Layer.Layer<TokenCodec> = Layer.sync(TokenCodec, () => {
  const random = makeRandom()
  const mintId = Effect.map(Clock.currentTimeMillis, (millis) => uuidv7(millis, random(idBytes)))
  return TokenCodec.of({
    mintSession: Effect.map(mintId, (id) => pair(id.toString("hex"), toHex(random(2 * secretBytes)))),
    parseToken: (token) => Option.map(hashToken(Redacted.value(token)), (hashed) => ({ ...hashed, token })),
    hashToken,
    successor: (presented, salt) => {
      const token = Redacted.value(presented.token)
      return pair(token.slice(0, 2 * idBytes), hmacSha256(Buffer.from(token, "hex"), salt))
    },
    salt: Effect.sync(() => random(16)),
    mintApiKey: Effect.map(mintId, (id) => {
      const secret = random(secretBytes)
      return {
        id: ApiKeyId.make(dashed(id.toString("hex"))),
        key: Redacted.make(apiKeyPrefix + Buffer.concat([id, secret]).toString("hex")),
        digest: sha256(secret)
      }
    }),
    parseApiKey: (presented) => {
      const text = Redacted.value(presented)
      const token = text.startsWith(apiKeyPrefix) ? text.slice(apiKeyPrefix.length) : ""
      return isToken(token) ? Option.some({ id: ApiKeyId.make(dashed(token)), digest: digestOf(token) }) : Option.none()
    },
    mintTicket: Effect.sync(() => {
      const bytes = random(ticketBytes)
      return { ticket: Redacted.make(toHex(bytes)), digest: sha256(bytes) }
    }),
    parseTicket: (presented) => {
      const text = Redacted.value(presented)
      return tokenPattern.test(text) ? Option.some(sha256(Buffer.from(text, "hex"))) : Option.none()
    },
    mintAppId: Effect.sync(() => AppId.make(appIdPrefix + toHex(random(16)))),
    matches: (left, right) => left.byteLength === right.byteLength && timingSafeEqual(left, right)
  })
})
