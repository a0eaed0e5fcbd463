// A secret is read for the answer that hands it out, or to use it up, and by nobody afterwards.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import * as TokenCodecNode from "../../src/crypto/TokenCodecNode.ts"
import type { MintedTokens } from "../../src/domain/Session.ts"
import { refresh } from "../../src/http/handlers/Sessions.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { RateLimits } from "../../src/services/RateLimits.ts"
import { TokenCodec } from "../../src/services/TokenCodec.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"

describe("secrets that are used up", () => {
  it.effect("the refresh token that was traded, and the pair that was handed out", () =>
    Effect.gen(function* () {
      const minted: Array<MintedTokens> = []
      const stores = Layer.mergeAll(
        Layer.mock(TokenStore, {
          rotate: (_digest, _salt, next) => Effect.sync(() => Option.some(minted.push(next)))
        }),
        Layer.mock(RateLimits, { check: () => Effect.void, take: () => Effect.void }),
        Layer.mock(AuditLog, { countSocket: () => {} }),
        EventBus.layerMemory
      )
      const codec = yield* TokenCodec
      const { refreshToken } = yield* codec.mintSession
      const answer = yield* Effect.provide(refresh({ refresh_token: refreshToken }, "203.0.113.1"), stores)
      assert.match(answer.token, /^[0-9a-f]{64}$/)
      assert.match(answer.refresh_token, /^[0-9a-f]{64}$/)
      const [pair] = minted
      for (const secret of [refreshToken, pair!.token, pair!.refreshToken]) {
        assert.throws(() => Redacted.value(secret))
      }
    }).pipe(Effect.provide(TokenCodecNode.layer)))
})
