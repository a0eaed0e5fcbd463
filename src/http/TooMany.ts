// 429 with the time after which it is worth trying again (RFC 6585 section 4), which the edge adds to the head.
import { Effect } from "effect"
import { RateLimited } from "../api/Problems.ts"
import type { RateLimited as Limited } from "../domain/RateLimit.ts"
import { Caller } from "../services/Caller.ts"
import { HttpCaller } from "./HttpCaller.ts"

export const tooMany = ({ retryAfter }: Limited) =>
  Effect.flatMap(Caller, (caller) => {
    if (caller instanceof HttpCaller) caller.retryAfter = retryAfter
    return Effect.fail(new RateLimited({}))
  })
