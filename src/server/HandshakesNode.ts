// Handshakes for `/ws`, taken off the HTTP server before its platform makes requests of them. Nothing of the request
// outlives its answer but what a `Caller` is asked for.
import { Effect, Layer, Option } from "effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type { IncomingMessage, Server } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { type Origin, TrustProxy } from "../http/ClientAddress.ts"
import { HttpCaller } from "../http/HttpCaller.ts"
import { RequestIds } from "../http/RequestIds.ts"
import { Handshakes, type Offer } from "../ws/Handshakes.ts"
import { serverWebSockets } from "./ServerWebSocket.ts"

/** The path to the letter, also of an absolute target; whatever else the router may take for it is refused there. */
const target = /^(?:[Hh][Tt][Tt][Pp][Ss]?:\/\/[^/?#]+)?\/ws(?:\?(.*))?$/

/** While a socket waits for its answer, an error unheard would end the process. */
const ignored = () => {}

/** Where a socket comes from, without the rest of its handshake. */
class SocketOrigin implements Origin {
  readonly headers: Origin["headers"]
  readonly #socket: Socket

  constructor(headers: Origin["headers"], socket: Socket) {
    this.headers = { "x-forwarded-for": headers["x-forwarded-for"], "user-agent": headers["user-agent"] }
    this.#socket = socket
  }

  get remoteAddress(): Option.Option<string> {
    return Option.fromUndefinedOr(this.#socket.remoteAddress)
  }
}

/** For the sockets of `server`. */
export const layer = (server: Server) =>
  Layer.effect(
    Handshakes,
    Effect.gen(function* () {
      const hops = yield* TrustProxy
      const requestIds = yield* RequestIds
      const upgrade = yield* serverWebSockets
      let door: ((offer: Offer) => void) | undefined

      const offer = (
        take: (offer: Offer) => void,
        query: string | undefined,
        decline: () => boolean,
        request: IncomingMessage,
        socket: Duplex,
        head: Buffer
      ): void => {
        const headers = request.headers as Readonly<Record<string, string | undefined>>
        const caller = new HttpCaller(new SocketOrigin(headers, request.socket), hops)
        let waits = true
        const answered = () => {
          waits = false
          socket.off("error", ignored)
        }
        take({
          source: request,
          method: request.method ?? "",
          headers,
          searchParams: paramsOf(query),
          requestId: requestIds.of(headers),
          caller,
          accept: (use) => {
            answered()
            // The time that the handshake had for the store is not what a frame has, hours later.
            caller.patience = undefined
            upgrade(request, socket, head, use)
          },
          decline: () => {
            // Answered already, it met a bug: as a request it is only logged.
            if (!waits) socket.destroy()
            answered()
            // Nobody is there for it once the server has let go of its routes.
            if (!decline()) socket.destroy()
          }
        })
        if (waits) socket.on("error", ignored)
      }

      const emit = server.emit.bind(server)
      server.emit = (event: string, ...args: Array<any>): boolean => {
        if (event !== "upgrade" || door === undefined) return emit(event, ...args)
        const [request, socket, head] = args as [IncomingMessage, Duplex, Buffer]
        const found = target.exec(request.url ?? "")
        if (found === null) return emit(event, ...args)
        offer(door, found[1], () => emit(event, ...args), request, socket, head)
        return true
      }

      return Handshakes.of({
        receive: (take) =>
          Effect.acquireRelease(
            Effect.sync(() => {
              door = take
            }),
            () =>
              Effect.sync(() => {
                door = undefined
              })
          )
      })
    })
  )

/** As the HTTP platform gives them to everybody else. */
const paramsOf = (query: string | undefined): Offer["searchParams"] => {
  if (query === undefined) return {}
  const url = new URL("http://localhost")
  url.search = query
  return HttpServerRequest.searchParamsFromURL(url)
}
