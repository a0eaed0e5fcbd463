// The token family twice: once as src/domain judges it from a row, once as the design tells it in prose, from the
// history alone. Whatever a session's devices and thieves do, the two must say the same.
import { assert, layer } from "@effect/vitest"
import { Arbitrary, Effect, Option, Redacted, Schema } from "effect"
import * as TokenCodecNode from "../../src/crypto/TokenCodecNode.ts"
import { AppId, TenantId, UserId } from "../../src/domain/Ids.ts"
import { judgeRefresh } from "../../src/domain/RefreshToken.ts"
import { type EndReason, judgeAccess, type MintedTokens, type SessionRecord } from "../../src/domain/Session.ts"
import { TokenCodec } from "../../src/services/TokenCodec.ts"

const minute = 60
const hour = 60 * minute
const day = 24 * hour
const grace = 30
const accessTtl = hour
const refreshTtl = 30 * day
const sessionTtl = 90 * day

type Refreshed = "New" | "Same" | "refresh_token_reused" | "invalid_refresh_token"
type Used = "Current" | "Previous" | "Expired" | "Ended" | "Unknown"

/** A session's row and what is done to it on each verdict, as the store does it. */
const makeRow = Effect.gen(function* () {
  const codec = yield* TokenCodec
  const first = yield* codec.mintSession
  const pairs: Array<MintedTokens> = [first]
  let now = 0
  let endReason: EndReason | null = null
  const access = {
    digest: first.accessDigest,
    until: accessTtl,
    previousDigest: null as Uint8Array | null,
    previousUntil: 0
  }
  const refresh = {
    digest: first.refreshDigest,
    until: refreshTtl,
    previousDigest: null as Uint8Array | null,
    rotatedAt: 0,
    salt: null as Uint8Array | null,
    used: false
  }

  const record = (): SessionRecord => ({
    id: first.sessionId,
    tenantId: TenantId.make(1),
    appId: AppId.make(`vc_app_${"0".repeat(32)}`),
    tenantSuspended: false,
    allowedOrigins: [],
    queryTokens: true,
    user: { id: UserId.make(1), username: "ada", customId: null, pictureUrl: null, metadata: null },
    userBanned: false,
    endReason,
    sessionLeft: sessionTtl - now,
    access: {
      digest: access.digest,
      left: access.until - now,
      previousDigest: access.previousDigest,
      previousLeft: access.previousUntil - now
    },
    refresh: {
      digest: refresh.digest,
      left: refresh.until - now,
      previousDigest: refresh.previousDigest,
      sinceRotation: now - refresh.rotatedAt,
      salt: refresh.salt,
      used: refresh.used
    }
  })

  const install = (next: MintedTokens, salt: Uint8Array) => {
    // The store ends both with the session; the rules must not need that.
    access.digest = next.accessDigest
    access.until = now + accessTtl
    refresh.digest = next.refreshDigest
    refresh.until = now + refreshTtl
    refresh.rotatedAt = now
    refresh.salt = salt
    pairs.push(next)
  }
  const text = (pair: MintedTokens) => Redacted.value(pair.token) + Redacted.value(pair.refreshToken)

  const present = (token: Redacted.Redacted) =>
    Effect.gen(function* (): Effect.fn.Return<Refreshed> {
      const presented = Option.getOrThrow(codec.parseToken(token))
      const verdict = judgeRefresh(record(), presented.digest, { graceSeconds: grace, matches: codec.matches })
      const salt = yield* codec.salt
      switch (verdict._tag) {
        case "Rotate":
          access.previousDigest = access.digest
          access.previousUntil = Math.min(access.until, now + grace)
          refresh.previousDigest = refresh.digest
          refresh.used = false
          install(codec.successor(presented, salt), salt)
          return "New"
        case "Repeat":
          // The successor is derived anew, and must be the pair that was handed out last.
          assert.strictEqual(text(codec.successor(presented, verdict.salt)), text(pairs.at(-1)!))
          return "Same"
        case "Replace":
          assert.strictEqual(verdict.salt, refresh.salt)
          install(codec.successor(presented, salt), salt)
          return "New"
        case "Reused":
          endReason = "reuse"
          return "refresh_token_reused"
        case "ReusedBefore":
          return "refresh_token_reused"
        case "Over":
          return "invalid_refresh_token"
      }
    })

  return {
    pairs,
    present,
    refresh: (index: number) => present(pairs[index]!.refreshToken),
    guess: Effect.suspend(() => present(Redacted.make(Redacted.value(first.token).slice(0, 32) + "0".repeat(32)))),
    use: (index: number): Used => {
      const verdict = judgeAccess(record(), pairs[index]!.accessDigest, codec.matches)
      if (verdict === "Current") refresh.used = true
      return verdict
    },
    wait: (seconds: number) => {
      now += seconds
    },
    end: (reason: EndReason) => {
      endReason ??= reason
    }
  }
})

/** Section 2 of the design, told from the history of the pairs: who came from whom, when, and whether it was used. */
const makeModel = () => {
  const pairs: Array<{ readonly from: number | undefined; readonly madeAt: number; used: boolean }> = [
    { from: undefined, madeAt: 0, used: false }
  ]
  let now = 0
  let end: "theft" | "other" | undefined
  let leftAt = 0
  const present = () => pairs.length - 1
  const before = () => pairs[present()]!.from
  const isOver = () => end !== undefined || now >= sessionTtl || now >= pairs[present()]!.madeAt + refreshTtl

  const refresh = (index: number | undefined): Refreshed => {
    if (end === "theft") return "refresh_token_reused"
    if (isOver()) return "invalid_refresh_token"
    if (index === present()) {
      leftAt = now
      pairs.push({ from: index, madeAt: now, used: false })
      return "New"
    }
    if (index !== undefined && index === before()) {
      const successor = pairs[present()]!
      // Refresh is idempotent.
      if (now - successor.madeAt < grace) return "Same"
      // A phone that slept is not a thief.
      if (!successor.used) {
        pairs.push({ from: index, madeAt: now, used: false })
        return "New"
      }
    }
    // Reuse is theft.
    end = "theft"
    return "refresh_token_reused"
  }

  const use = (index: number): Used => {
    if (index !== present() && index !== before()) return "Unknown"
    if (end !== undefined) return "Ended"
    const pair = pairs[index]!
    if (now >= sessionTtl || now >= pair.madeAt + accessTtl) return "Expired"
    if (index === present()) {
      pair.used = true
      return "Current"
    }
    return now < leftAt + grace ? "Previous" : "Expired"
  }

  return {
    refresh,
    guess: () => refresh(undefined),
    use,
    wait: (seconds: number) => {
      now += seconds
    },
    end: () => {
      end ??= "other"
    }
  }
}

const back = Schema.Literals([0, 1, 2, 3, 4])
const Refresh = Schema.TaggedStruct("Refresh", { back })
const Use = Schema.TaggedStruct("Use", { back })
const Wait = Schema.TaggedStruct("Wait", {
  seconds: Schema.Literals([1, 15, 29, 30, 31, hour - 1, hour, day, 29 * day, 30 * day - 1, 30 * day, 45 * day])
})
const Last = Schema.TaggedStruct("Last", {
  what: Schema.Literals(["Guess", "Logout", "Evicted", "Nothing", "Nothing"])
})
// Repeated members come more often: an end should not be the first thing that happens.
const Step = Schema.Union([Refresh, Refresh, Refresh, Use, Wait, Wait, Last])
const steps = Arbitrary.array(Arbitrary.schema(Step), { minLength: 1, maxLength: 30 })

layer(TokenCodecNode.layer)("RefreshToken", (it) => {
  it.effect.prop("judges every history as the design tells it", [steps], ([steps]) =>
    Effect.gen(function* () {
      const row = yield* makeRow
      const model = makeModel()
      for (const step of steps) {
        switch (step._tag) {
          case "Refresh": {
            const index = Math.max(0, row.pairs.length - 1 - step.back)
            const expected = model.refresh(index)
            assert.strictEqual(yield* row.refresh(index), expected)
            break
          }
          case "Use": {
            const index = Math.max(0, row.pairs.length - 1 - step.back)
            const expected = model.use(index)
            assert.strictEqual(row.use(index), expected)
            break
          }
          case "Wait":
            row.wait(step.seconds)
            model.wait(step.seconds)
            break
          case "Last":
            if (step.what === "Guess") {
              const expected = model.guess()
              assert.strictEqual(yield* row.guess, expected)
            }
            if (step.what === "Logout" || step.what === "Evicted") {
              row.end(step.what === "Logout" ? "logout" : "evicted")
              model.end()
            }
        }
      }
      // Every pair that ever was is a pair of its own.
      assert.strictEqual(new Set(row.pairs.map((pair) => Redacted.value(pair.refreshToken))).size, row.pairs.length)
    }), { arbitrary: { runs: 2000 } })

  it.effect("gives the same successor until the grace window closes, used or not", () =>
    Effect.gen(function* () {
      const row = yield* makeRow
      assert.strictEqual(yield* row.refresh(0), "New")
      assert.strictEqual(yield* row.refresh(0), "Same")
      assert.strictEqual(row.use(1), "Current")
      row.wait(grace - 1)
      assert.strictEqual(yield* row.refresh(0), "Same")
      row.wait(1)
      assert.strictEqual(yield* row.refresh(0), "refresh_token_reused")
    }))

  it.effect("gives a phone that slept for weeks a fresh successor in place of the one it never used", () =>
    Effect.gen(function* () {
      const row = yield* makeRow
      assert.strictEqual(yield* row.refresh(0), "New")
      row.wait(20 * day)
      assert.strictEqual(yield* row.refresh(0), "New")
      assert.strictEqual(row.use(1), "Unknown")
      assert.strictEqual(row.use(2), "Current")
      assert.strictEqual(yield* row.refresh(2), "New")
    }))

  it.effect("takes the successor that was replaced for stolen", () =>
    Effect.gen(function* () {
      const row = yield* makeRow
      yield* row.refresh(0)
      row.wait(grace)
      yield* row.refresh(0)
      assert.strictEqual(yield* row.refresh(1), "refresh_token_reused")
      assert.strictEqual(row.use(2), "Ended")
    }))

  it.effect("revokes the session for a token two rotations old, within the grace window too", () =>
    Effect.gen(function* () {
      const row = yield* makeRow
      yield* row.refresh(0)
      yield* row.refresh(1)
      assert.strictEqual(yield* row.refresh(0), "refresh_token_reused")
      assert.strictEqual(yield* row.refresh(2), "refresh_token_reused")
      assert.strictEqual(row.use(2), "Ended")
    }))

  it.effect("revokes the session for the right id with a secret that it never had, before the first refresh too", () =>
    Effect.gen(function* () {
      const row = yield* makeRow
      assert.strictEqual(yield* row.guess, "refresh_token_reused")
      assert.strictEqual(yield* row.refresh(0), "refresh_token_reused")
    }))

  it.effect("takes a session token for no refresh token, but for a secret that none of them had", () =>
    Effect.gen(function* () {
      const row = yield* makeRow
      assert.strictEqual(yield* row.present(row.pairs[0]!.token), "refresh_token_reused")
    }))

  it.effect("ends with the session: after 30 days without a refresh, and after 90 with", () =>
    Effect.gen(function* () {
      const idle = yield* makeRow
      idle.wait(refreshTtl)
      assert.strictEqual(yield* idle.refresh(0), "invalid_refresh_token")
      const busy = yield* makeRow
      for (let index = 0; index < 4; index++) {
        busy.wait(20 * day)
        assert.strictEqual(yield* busy.refresh(index), "New")
      }
      busy.wait(10 * day)
      assert.strictEqual(yield* busy.refresh(4), "invalid_refresh_token")
      assert.strictEqual(busy.use(4), "Expired")
      const last = yield* makeRow
      for (let index = 0; index < 3; index++) {
        last.wait(29 * day)
        yield* last.refresh(index)
      }
      last.wait(3 * day - 60)
      assert.strictEqual(yield* last.refresh(3), "New")
      assert.strictEqual(last.use(4), "Current")
      last.wait(60)
      assert.strictEqual(last.use(4), "Expired")
      assert.strictEqual(yield* last.refresh(4), "invalid_refresh_token")
    }))

  it.effect("tells no theft of a session that ended otherwise", () =>
    Effect.gen(function* () {
      const row = yield* makeRow
      yield* row.refresh(0)
      yield* row.refresh(1)
      row.end("logout")
      assert.strictEqual(yield* row.refresh(0), "invalid_refresh_token")
      assert.strictEqual(yield* row.guess, "invalid_refresh_token")
      assert.strictEqual(row.use(2), "Ended")
    }))

  it.effect("accepts the session token before the last refresh for the grace window, but not beyond its own life", () =>
    Effect.gen(function* () {
      const row = yield* makeRow
      yield* row.refresh(0)
      row.wait(grace - 1)
      assert.strictEqual(row.use(0), "Previous")
      row.wait(1)
      assert.strictEqual(row.use(0), "Expired")
      const late = yield* makeRow
      late.wait(accessTtl - 10)
      yield* late.refresh(0)
      late.wait(9)
      assert.strictEqual(late.use(0), "Previous")
      late.wait(1)
      assert.strictEqual(late.use(0), "Expired")
      assert.strictEqual(late.use(1), "Current")
    }))
})
