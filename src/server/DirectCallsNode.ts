// `DirectCalls` for requests of the HTTP server, taken before its platform makes a fiber of each.
import { Effect, Fiber, Layer, Option, Tracer } from "effect"
import type { HttpServerResponse } from "effect/http"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as DirectCalls from "../http/DirectCalls.ts"
import type { Asked } from "../http/Edge.ts"
import { NodeServer } from "./NodeServer.ts"

class NodeRequest implements Asked {
  readonly method: string
  readonly url: string
  readonly headers: Asked["headers"]
  readonly #socket: Socket

  constructor({ headers, method, socket, url }: IncomingMessage) {
    this.method = method ?? ""
    this.url = url ?? ""
    this.headers = headers as Asked["headers"]
    this.#socket = socket
  }

  get remoteAddress(): Option.Option<string> {
    return Option.fromUndefinedOr(this.#socket.remoteAddress)
  }
}

/** Once the whole body is there. It is then as if nobody had read of it, to whoever gets it back by `unshift`. */
const whenWhole = (request: IncomingMessage, length: number, then: (body: Buffer) => void): void => {
  const look = () => {
    if (request.readableLength < length) return
    request.off("readable", look)
    then(request.read(length) as Buffer)
  }
  request.on("readable", look)
}

const bodyOf = ({ body }: HttpServerResponse.HttpServerResponse): string | Uint8Array => {
  if (body._tag === "Uint8Array") return body.body
  return body._tag === "Raw" && typeof body.body === "string" ? body.body : ""
}

/**
 * Answers that are ready in the same turn go out together: each alone would wake its reader, which costs as much as the
 * answer.
 */
const makeSend = () => {
  let ready: Array<readonly [ServerResponse, HttpServerResponse.HttpServerResponse]> = []
  const flush = () => {
    const answers = ready
    ready = []
    for (const [to, answer] of answers) {
      if (!to.destroyed) to.writeHead(answer.status, answer.headers).end(bodyOf(answer))
    }
  }
  return (to: ServerResponse, answer: HttpServerResponse.HttpServerResponse): void => {
    if (ready.push([to, answer]) === 1) setImmediate(flush)
  }
}

export const layer = Layer.effectDiscard(Effect.gen(function* () {
  const server = yield* NodeServer
  // What is traced has the spans of the platform.
  if ((yield* Tracer.Tracer) !== Tracer.nativeTracer) return
  const direct = yield* DirectCalls.make
  const scope = yield* Effect.scope
  const run = Effect.runForkWith(yield* Effect.context<DirectCalls.Flows>())
  const send = makeSend()

  const take = (request: IncomingMessage, response: ServerResponse, decline: () => void): boolean => {
    const found = direct(new NodeRequest(request))
    if (found === undefined) return false
    if (found._tag === "Answered") {
      send(response, found.response)
      return true
    }
    whenWhole(request, found.length, (body) => {
      const answer = found.answer(body.toString())
      if (answer === undefined) {
        request.unshift(body)
        decline()
        return
      }
      Fiber.runIn(run(Effect.map(answer, (answer) => send(response, answer))), scope)
    })
    return true
  }

  const emit = server.emit.bind(server)
  server.emit = (event: string, ...args: Array<any>): boolean =>
    event === "request" && take(args[0], args[1], () => emit(event, ...args)) || emit(event, ...args)
}))
