// What a request is called in logs and answers: as its caller calls it, or else by a name that no other instance gives.
import { Context, Effect, Layer, Random } from "effect"

const valid = /^[A-Za-z0-9._-]{1,64}$/

export class RequestIds extends Context.Service<RequestIds, {
  readonly of: (headers: Readonly<Record<string, string | undefined>>) => string
}>()("roomkey/http/RequestIds") {
  static readonly layer = Layer.effect(
    RequestIds,
    Effect.map(Random.nextIntBetween(0, 36 ** 6), (number) => {
      const instance = number.toString(36)
      let count = 0
      return RequestIds.of({
        of: (headers) => {
          const given = headers["x-request-id"]
          return given !== undefined && valid.test(given) ? given : `${instance}-${(count++).toString(36)}`
        }
      })
    })
  )
}
