import { assert, layer } from "@effect/vitest"
import { Arbitrary, Effect, Option, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import { createHash, createHmac } from "node:crypto"
import { inspect } from "node:util"
import * as TokenCodecNode from "../../src/crypto/TokenCodecNode.ts"
import { AppId, SessionId } from "../../src/domain/Ids.ts"
import type { PresentedToken } from "../../src/domain/Session.ts"
import { TokenCodec } from "../../src/services/TokenCodec.ts"

const hex = /^[0-9a-f]{64}$/
const bytes = (length: number) =>
  Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))).check(
    Schema.isBetweenLength(length, length)
  )
const toHex = (octets: ReadonlyArray<number> | Uint8Array) => Buffer.from(octets).toString("hex")
const sha256 = (octets: Uint8Array) => createHash("sha256").update(octets).digest("hex")
const secretOf = (token: string) => Buffer.from(token.slice(32), "hex")
const undashed = (id: string) => id.replaceAll("-", "")

const presented = (token: string) =>
  Effect.map(TokenCodec, (codec) => Option.getOrThrow(codec.parseToken(Redacted.make(token))))

/** Every form in which a secret could show: hex of either case, base64, and the lists that Buffers print. */
const shows = (text: string, secret: Uint8Array): boolean => {
  const list = [...secret]
  return [
    toHex(secret),
    Buffer.from(secret).toString("base64url").slice(0, 20),
    Buffer.from(secret).toString("base64").slice(0, 20),
    list.join(","),
    list.join(", "),
    list.map((octet) => octet.toString(16).padStart(2, "0")).join(" ")
  ].some((form) => text.toLowerCase().includes(form.toLowerCase()))
}

const printed = (value: unknown): string =>
  [
    JSON.stringify(value),
    String(value),
    inspect(value, { depth: Infinity, showHidden: true, maxArrayLength: Infinity }),
    JSON.stringify(Object.entries(value as object).map(([key, part]) => [key, String(part), inspect(part)]))
  ].join("\n")

layer(TokenCodecNode.layer)("TokenCodecNode", (it) => {
  it.effect("mints pairs of 64 lower-case hex characters that share the session id and nothing else", () =>
    Effect.gen(function* () {
      const codec = yield* TokenCodec
      const tokens = yield* codec.mintSession
      const [access, refresh] = [Redacted.value(tokens.token), Redacted.value(tokens.refreshToken)]
      assert.match(access, hex)
      assert.match(refresh, hex)
      assert.strictEqual(access.slice(0, 32), undashed(tokens.sessionId))
      assert.strictEqual(refresh.slice(0, 32), undashed(tokens.sessionId))
      assert.notStrictEqual(access.slice(32), refresh.slice(32))
      assert.strictEqual(toHex(tokens.accessDigest), sha256(secretOf(access)))
      assert.strictEqual(toHex(tokens.refreshDigest), sha256(secretOf(refresh)))
    }))

  it.effect("names sessions by lower-case UUIDs of version 7 that carry the clock's time", () =>
    Effect.gen(function* () {
      const codec = yield* TokenCodec
      const millis = Date.UTC(2026, 10, 24, 12, 30)
      yield* TestClock.setTime(millis)
      const { sessionId } = yield* codec.mintSession
      const { id } = yield* codec.mintApiKey
      for (const uuid of [sessionId, id]) {
        assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
        assert.strictEqual(Number.parseInt(undashed(uuid).slice(0, 12), 16), millis)
      }
    }))

  it.effect("sorts ids of different milliseconds by time", () =>
    Effect.gen(function* () {
      const codec = yield* TokenCodec
      const ids: Array<string> = []
      for (let step = 0; step < 300; step++) {
        ids.push((yield* codec.mintSession).sessionId)
        yield* TestClock.adjust(step % 7 === 0 ? "1 hour" : "1 millis")
      }
      assert.deepStrictEqual(ids.toSorted(), ids)
    }))

  it.effect("never hands out the same random bytes twice, however often the pool is refilled", () =>
    Effect.gen(function* () {
      const codec = yield* TokenCodec
      const seen = new Set<string>()
      const rounds = 2000
      for (let round = 0; round < rounds; round++) {
        const tokens = yield* codec.mintSession
        seen.add(Redacted.value(tokens.token).slice(32))
        seen.add(Redacted.value(tokens.refreshToken).slice(32))
        seen.add(Redacted.value((yield* codec.mintApiKey).key).slice(-32))
        seen.add(toHex(yield* codec.salt))
        seen.add((yield* codec.mintAppId).slice(-32))
      }
      assert.strictEqual(seen.size, 5 * rounds)
      assert.isFalse([...seen].some((secret) => /^(00){4}|(00){4}$/.test(secret)))
    }))

  it.effect("shares no memory between the salts that it hands out", () =>
    Effect.gen(function* () {
      const codec = yield* TokenCodec
      const first = yield* codec.salt
      const before = toHex(first)
      assert.strictEqual(first.byteLength, 16)
      assert.strictEqual(first.buffer.byteLength, 16)
      ;(yield* codec.salt).fill(0)
      assert.strictEqual(toHex(first), before)
    }))

  it.effect.prop(
    "parses every token of 64 lower-case hex characters into its halves",
    [bytes(32)],
    ([octets]) =>
      Effect.gen(function* () {
        const token = toHex(octets)
        const parsed = yield* presented(token)
        assert.strictEqual(undashed(parsed.sessionId), token.slice(0, 32))
        assert.isTrue(Schema.is(SessionId)(parsed.sessionId))
        assert.strictEqual(toHex(parsed.digest), sha256(secretOf(token)))
      })
  )

  it.effect.prop("parses no other string", [Schema.String], ([text]) =>
    Effect.gen(function* () {
      const codec = yield* TokenCodec
      const bare = Redacted.make(text)
      assert.strictEqual(Option.isSome(codec.parseToken(bare)), hex.test(text))
      assert.strictEqual(Option.isSome(codec.hashToken(text)), hex.test(text))
      assert.isTrue(Option.isNone(codec.parseApiKey(bare)))
    }), { arbitrary: { runs: 300 } })

  const damage = Schema.Union([
    Schema.Struct({ _tag: Schema.Literal("Insert"), what: Schema.String.check(Schema.isMinLength(1)) }),
    Schema.Struct({ _tag: Schema.Literal("Replace"), what: Schema.String }),
    Schema.Struct({ _tag: Schema.Literal("Cut") }),
    Schema.Struct({ _tag: Schema.Literal("Shout") })
  ])
  it.effect.prop(
    "parses no token or API key that was damaged anywhere",
    [bytes(32), Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 66 })), damage],
    ([octets, position, how]) =>
      Effect.gen(function* () {
        const codec = yield* TokenCodec
        const spoil = (text: string) => {
          const at = Math.min(position, text.length - 1)
          switch (how._tag) {
            case "Insert":
              return text.slice(0, at) + how.what + text.slice(at)
            case "Replace":
              return text.slice(0, at) + how.what + text.slice(at + 1)
            case "Cut":
              return text.slice(0, at)
            case "Shout":
              return text.toUpperCase()
          }
        }
        const token = toHex(octets)
        const spoiled = spoil(token)
        assert.strictEqual(Option.isSome(codec.parseToken(Redacted.make(spoiled))), hex.test(spoiled))
        const key = spoil(`vc_${token}`)
        assert.strictEqual(
          Option.isSome(codec.parseApiKey(Redacted.make(key))),
          key.startsWith("vc_") && hex.test(key.slice(3))
        )
      }),
    { arbitrary: { runs: 300 } }
  )

  it.effect("parses no near miss: white space, line ends, prefixes, full-width digits, NUL, a megabyte of hex", () =>
    Effect.gen(function* () {
      const codec = yield* TokenCodec
      const token = "0123456789abcdef".repeat(4)
      const misses = [
        "",
        ` ${token}`,
        `${token} `,
        `${token}\n`,
        `${token.slice(1)}\n`,
        `\n${token.slice(1)}`,
        `${token.slice(0, 63)}\u0000`,
        `${token.slice(0, 63)}\uff10`,
        `${token.slice(0, 63)}g`,
        `0x${token.slice(2)}`,
        token.toUpperCase(),
        token + token,
        token.repeat(16_384),
        `vc_${token}`,
        `vc_app_${token.slice(0, 32)}`
      ]
      for (const miss of misses) {
        assert.isTrue(Option.isNone(codec.parseToken(Redacted.make(miss))), miss.slice(0, 80))
      }
      const keyMisses = [
        ...misses.filter((miss) => miss !== `vc_${token}`),
        token,
        `vc-${token}`,
        `VC_${token}`,
        `vc_vc_${token}`,
        `vc_${token}\n`,
        `vc_admin_${token}`,
        ` vc_${token}`
      ]
      for (const miss of keyMisses) {
        assert.isTrue(Option.isNone(codec.parseApiKey(Redacted.make(miss))), miss.slice(0, 80))
      }
    }))

  it.effect.prop(
    "derives the successor by HMAC-SHA-256 under the whole presented token",
    [bytes(32), bytes(16)],
    ([octets, salt]) =>
      Effect.gen(function* () {
        const codec = yield* TokenCodec
        const token = toHex(octets)
        const next = codec.successor(yield* presented(token), Uint8Array.from(salt))
        const mac = createHmac("sha256", Buffer.from(octets)).update(Buffer.from(salt)).digest("hex")
        assert.strictEqual(Redacted.value(next.token), token.slice(0, 32) + mac.slice(0, 32))
        assert.strictEqual(Redacted.value(next.refreshToken), token.slice(0, 32) + mac.slice(32))
        assert.strictEqual(undashed(next.sessionId), token.slice(0, 32))
        assert.deepStrictEqual((yield* presented(Redacted.value(next.token))).digest, next.accessDigest)
        assert.deepStrictEqual((yield* presented(Redacted.value(next.refreshToken))).digest, next.refreshDigest)
      })
  )

  it.effect.prop(
    "derives the same successor from the same token and salt, and another from any other",
    [bytes(32), bytes(16), Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 47 })), bytes(1)],
    ([octets, salt, position, [mask]]) =>
      Effect.gen(function* () {
        const codec = yield* TokenCodec
        const derive = (all: ReadonlyArray<number>) =>
          Effect.map(presented(toHex(all.slice(0, 32))), (token) => {
            const next = codec.successor(token, Uint8Array.from(all.slice(32)))
            return [Redacted.value(next.token).slice(32), Redacted.value(next.refreshToken).slice(32)]
          })
        const input = [...octets, ...salt]
        const other = input.map((octet, index) => index === position ? octet ^ (mask! | 1) : octet)
        const [first, again, changed] = [yield* derive(input), yield* derive(input), yield* derive(other)]
        assert.deepStrictEqual(again, first)
        assert.notStrictEqual(changed[0], first[0])
        assert.notStrictEqual(changed[1], first[1])
      })
  )

  it.effect("derives successors alike on every instance", () =>
    Effect.gen(function* () {
      const token = yield* presented("0193a0000000700080000000000000010123456789abcdef0123456789abcdef")
      const next = (codec: TokenCodec["Service"]) =>
        Redacted.value(codec.successor(token, new Uint8Array(16).fill(7)).refreshToken)
      const another = yield* Effect.provide(TokenCodec, TokenCodecNode.layer, { local: true })
      assert.strictEqual(next(another), next(yield* TokenCodec))
    }))

  it.effect("mints API keys that parse back to their id and digest", () =>
    Effect.gen(function* () {
      const codec = yield* TokenCodec
      const minted = yield* codec.mintApiKey
      assert.match(Redacted.value(minted.key), /^vc_[0-9a-f]{64}$/)
      const parsed = Option.getOrThrow(codec.parseApiKey(minted.key))
      assert.strictEqual(parsed.id, minted.id)
      assert.deepStrictEqual(parsed.digest, minted.digest)
      assert.strictEqual(toHex(minted.digest), sha256(Buffer.from(Redacted.value(minted.key).slice(35), "hex")))
    }))

  it.effect("mints app ids that are app ids, and neither tokens nor API keys", () =>
    Effect.gen(function* () {
      const codec = yield* TokenCodec
      const appId = yield* codec.mintAppId
      assert.isTrue(Schema.is(AppId)(appId))
      assert.isTrue(Option.isNone(codec.parseToken(Redacted.make(appId))))
      assert.isTrue(Option.isNone(codec.parseApiKey(Redacted.make(appId))))
    }))

  it.effect("mints tickets of 64 lower-case hex characters, all random, and knows them again by their digest", () =>
    Effect.gen(function* () {
      const codec = yield* TokenCodec
      const [{ digest, ticket }, other] = [yield* codec.mintTicket, yield* codec.mintTicket]
      const text = Redacted.value(ticket)
      assert.match(text, hex)
      assert.notStrictEqual(text.slice(0, 32), Redacted.value(other.ticket).slice(0, 32))
      assert.strictEqual(toHex(digest), sha256(Buffer.from(text, "hex")))
      assert.deepStrictEqual(Option.map(codec.parseTicket(ticket), toHex), Option.some(toHex(digest)))
      for (const bad of ["", text.slice(1), `${text}0`, `${text}\n`, text.toUpperCase(), `z${text.slice(1)}`]) {
        assert.isTrue(Option.isNone(codec.parseTicket(Redacted.make(bad))), bad)
      }
      assert.isFalse(shows(printed({ digest, ticket }), Buffer.from(text, "hex")))
    }))

  it.effect("shows no secret in what it returns, however that is printed", () =>
    Effect.gen(function* () {
      const codec = yield* TokenCodec
      const session = yield* codec.mintSession
      const refresh: PresentedToken = Option.getOrThrow(codec.parseToken(session.refreshToken))
      const next = codec.successor(refresh, yield* codec.salt)
      const key = yield* codec.mintApiKey
      const secrets = [session.token, session.refreshToken, next.token, next.refreshToken, key.key]
        .map((secret) => Buffer.from(Redacted.value(secret).slice(-32), "hex"))
      const hashed = Option.getOrThrow(codec.hashToken(Redacted.value(session.token)))
      assert.deepStrictEqual(hashed, { sessionId: session.sessionId, digest: session.accessDigest })
      for (
        const value of [session, refresh, next, key, codec.parseApiKey(key.key), codec.parseToken(next.token), hashed]
      ) {
        const text = printed(value)
        for (const secret of secrets) assert.isFalse(shows(text, secret), text)
      }
      // The forms are looked for rightly: a value that is not redacted is found.
      assert.isTrue(shows(printed({ secret: secrets[0] }), secrets[0]!))
      assert.isTrue(shows(printed({ token: Redacted.value(session.token) }), secrets[0]!))
    }))

  it.effect.prop(
    "matches equal bytes only",
    [Schema.Uint8Array, Schema.Uint8Array],
    ([left, right]) =>
      Effect.gen(function* () {
        const codec = yield* TokenCodec
        assert.isTrue(codec.matches(left, Uint8Array.from(left)))
        assert.strictEqual(codec.matches(left, right), toHex(left) === toHex(right))
        assert.isFalse(codec.matches(left, Uint8Array.from([...left, 0])))
        if (left.length > 0) {
          const flipped = Uint8Array.from(left)
          flipped[flipped.length - 1]! ^= 1
          assert.isFalse(codec.matches(left, flipped))
        }
      })
  )

  const ids = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 48 - 1 })))
  it.effect.prop("takes any time that 48 bits hold", [ids], ([millis]) =>
    Effect.gen(function* () {
      const codec = yield* TokenCodec
      yield* TestClock.setTime(millis)
      const { sessionId } = yield* codec.mintSession
      assert.strictEqual(Number.parseInt(undashed(sessionId).slice(0, 12), 16), millis)
    }))
})
