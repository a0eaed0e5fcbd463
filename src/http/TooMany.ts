// 429 with the time after which it is worth trying again (RFC 6585 section 4).
import { Effect } from "effect"
import { HttpEffect, HttpServerResponse } from "effect/http"
import { RateLimited } from "../api/Problems.ts"
import type { RateLimited as Limited } from "../domain/RateLimit.ts"

export const tooMany = ({ retryAfter }: Limited) =>
  HttpEffect.appendPreResponseHandler((_, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, "retry-after", String(retryAfter)))
  ).pipe(Effect.andThen(Effect.fail(new RateLimited({}))))
