// A body from the two events that bring it. The platform's own reader takes any stream of any length, which costs a short
// body more than everything else that is done with it. Who goes away is noticed by the platform, which interrupts.
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Layer } from "effect"
import { BodyText } from "../http/BodyText.ts"

const decoder = new TextDecoder()

export const layer = Layer.succeed(BodyText, (request) =>
  Effect.callback((resume) => {
    const source = NodeHttpServerRequest.toIncomingMessage(request)
    const chunks: Array<Uint8Array> = []
    const onData = (chunk: Uint8Array) => {
      chunks.push(chunk)
    }
    const onEnd = () => {
      leave()
      const [only, ...others] = chunks
      resume(Effect.succeed(decoder.decode(others.length === 0 ? only : Buffer.concat(chunks))))
    }
    const leave = () => {
      source.off("data", onData)
      source.off("end", onEnd)
    }
    source.on("data", onData)
    source.on("end", onEnd)
    return Effect.sync(leave)
  }))
