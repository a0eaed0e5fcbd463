// The one HTTP server of the process, before anybody serves on it.
import { Context, Layer } from "effect"
import { createServer, type Server } from "node:http"
import * as Unattended from "./Unattended.ts"

export class NodeServer extends Context.Service<NodeServer, Server>()("roomkey/server/NodeServer") {
  static readonly layer = Layer.sync(NodeServer, () =>
    Unattended.attend(createServer({
      // A slow client may not hold a connection open by sending a request in drops.
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      // Longer than the idle time of common load balancers: they close first, and no request meets a closed socket.
      keepAliveTimeout: 75_000
    })))
}
