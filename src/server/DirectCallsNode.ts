// `DirectCalls` for requests of the HTTP server, taken before its platform makes a fiber of each.
import { Effect, Fiber, Layer, Option, Tracer } from "effect"
import type { HttpServerResponse } from "effect/http"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as DirectCalls from "../http/DirectCalls.ts"
import type { Asked } from "../http/Edge.ts"
import { NodeServer } from "./NodeServer.ts"
import { type Member, Roster } from "./Roster.ts"

/** A call that was taken and is not answered yet. */
interface Call extends Member {
  /** None while its body has not come. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  readonly giveUp: () => void
}

const askedOf = ({ headers, method, socket, url }: IncomingMessage): Asked => ({
  method: method ?? "",
  url: url ?? "",
  headers: headers as Asked["headers"],
  // Now: nobody knows it any more once the caller is gone.
  remoteAddress: Option.fromUndefinedOr(socket.remoteAddress)
})

type Response = HttpServerResponse.HttpServerResponse

const bodyOf = ({ body }: Response): string | Uint8Array => {
  if (body._tag === "Uint8Array") return body.body
  if (body._tag === "Raw" && typeof body.body === "string") return body.body
  throw new Error(`A direct call was answered by ${body._tag}`)
}

/**
 * Answers that are ready in the same turn go out together: each alone would wake its reader, which costs as much as the
 * answer.
 */
const makeSend = (report: (error: unknown) => void) => {
  let ready: Array<readonly [ServerResponse, Response]> = []
  const flush = () => {
    const answers = ready
    ready = []
    for (const [to, answer] of answers) {
      if (to.destroyed) continue
      try {
        to.writeHead(answer.status, answer.headers).end(bodyOf(answer))
      } catch (error) {
        to.destroy()
        report(error)
      }
    }
  }
  return (to: ServerResponse, answer: Response): void => {
    if (ready.push([to, answer]) === 1) setImmediate(flush)
  }
}

/** A bug here is one of the declared way as well, which logs it. */
const orDecline = <A>(find: () => A | undefined): A | undefined => {
  try {
    return find()
  } catch {
    return undefined
  }
}

export const layer = Layer.effectDiscard(Effect.gen(function* () {
  const server = yield* NodeServer
  // What is traced has the spans of the platform.
  if ((yield* Tracer.Tracer) !== Tracer.nativeTracer) return
  const direct = yield* DirectCalls.make
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const report = (error: unknown) => run(Effect.logError("A direct call was not answered", error))
  const send = makeSend(report)
  const calls = new Roster<Call>()
  let closed = false

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closed = true
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      for (const call of calls.all()) {
        if (call.fiber === undefined) call.giveUp()
        else fibers.push(call.fiber)
      }
      return Fiber.interruptAll(fibers)
    })
  )

  const ask = (
    request: IncomingMessage,
    response: ServerResponse,
    { call, length }: Extract<DirectCalls.Direct, { readonly _tag: "Asked" }>,
    decline: () => void
  ): void => {
    const settle = () => {
      request.off("readable", look)
      calls.remove(underWay)
    }
    const underWay: Call = {
      place: -1,
      fiber: undefined,
      giveUp: () => {
        settle()
        decline()
      }
    }
    const look = () => {
      if (request.readableLength < length) return
      settle()
      const body: Buffer = request.read()
      const found = orDecline(() => call(body.toString()))
      if (found === undefined) {
        // In the turn in which it was read, the body has not ended yet.
        request.unshift(body)
        decline()
        return
      }
      const fiber = found.run()
      underWay.fiber = fiber
      // Its first steps may have led to the end.
      if (closed) fiber.interruptUnsafe()
      else calls.add(underWay)
      fiber.addObserver((exit) => {
        calls.remove(underWay)
        found.respond(exit, (answer) => {
          if (response.destroyed) return
          try {
            send(response, answer())
          } catch (error) {
            response.destroy()
            report(error)
          }
        })
      })
    }
    calls.add(underWay)
    request.on("readable", look)
    // A response that waits for one before it has no connection yet, and on some runtimes does not hear of its end.
    request.on("close", () => {
      if (underWay.fiber === undefined) settle()
    })
    response.on("close", () => {
      if (!response.writableEnded) underWay.fiber?.interruptUnsafe()
    })
  }

  const take = (request: IncomingMessage, response: ServerResponse, decline: () => void): boolean => {
    if (closed) return false
    const found = orDecline(() => direct(askedOf(request)))
    if (found === undefined) return false
    if (found._tag === "Answered") send(response, found.response)
    else ask(request, response, found, decline)
    return true
  }

  const emit = server.emit.bind(server)
  server.emit = (event: string, ...args: Array<any>): boolean =>
    event === "request" && take(args[0], args[1], () => emit(event, ...args)) || emit(event, ...args)
}))
