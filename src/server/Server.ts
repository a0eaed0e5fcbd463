// The whole service as one layer: routes over handlers over adapters, behind one HTTP server.
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { ByteSize, Effect, Layer, Scope } from "effect"
import { HttpIncomingMessage, HttpRouter } from "effect/http"
import { HttpApiBuilder, HttpApiScalar } from "effect/http-api"
import { Api } from "../api/Api.ts"
import type { RoomkeyConfig } from "../Config.ts"
import * as Authorize from "../http/Authorize.ts"
import { TrustProxy } from "../http/ClientAddress.ts"
import * as Cors from "../http/Cors.ts"
import * as Edge from "../http/Edge.ts"
import { channelsLayer } from "../http/handlers/Channels.ts"
import { iceServersLayer } from "../http/handlers/IceServers.ts"
import { sessionsLayer } from "../http/handlers/Sessions.ts"
import { systemLayer } from "../http/handlers/System.ts"
import { tenantLayer } from "../http/handlers/Tenant.ts"
import { tenantChannelsLayer } from "../http/handlers/TenantChannels.ts"
import { tenantsLayer } from "../http/handlers/Tenants.ts"
import { usersLayer } from "../http/handlers/Users.ts"
import { RequestIds } from "../http/RequestIds.ts"
import { validRequestLayer } from "../http/ValidRequest.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { doorLayer, realtimeLayer } from "../ws/Realtime.ts"
import { Registry } from "../ws/Registry.ts"
import { Rooms } from "../ws/Rooms.ts"
import { SocketPolicy } from "../ws/SocketPolicy.ts"
import * as Adapters from "./Adapters.ts"
import * as Demo from "./Demo.ts"
import * as DirectCallsNode from "./DirectCallsNode.ts"
import * as HandshakesNode from "./HandshakesNode.ts"
import { NodeServer } from "./NodeServer.ts"
import * as Observability from "./Observability.ts"

const handlers = Layer.mergeAll(
  sessionsLayer,
  channelsLayer,
  realtimeLayer,
  iceServersLayer,
  usersLayer,
  tenantsLayer,
  tenantChannelsLayer,
  systemLayer,
  tenantLayer
)

const middleware = Layer.mergeAll(
  Authorize.sessionTokenLayer,
  Authorize.apiKeyPresentedLayer,
  Authorize.apiKeyLayer,
  Authorize.adminKeyLayer,
  validRequestLayer
)

/** Made when it is first asked for: the script that the page brings along is megabytes, which few instances ever send. */
const docs = HttpRouter.use(Effect.fnUntraced(function* (router) {
  const scope = yield* Effect.scope
  const page = yield* Effect.cached(
    HttpRouter.toHttpEffect(HttpApiScalar.layer(Api, { path: "/docs", scalar: { withDefaultFonts: false } })).pipe(
      Effect.provideService(Scope.Scope, scope),
      // Whoever asks first and leaves must not take it along.
      Effect.uninterruptible
    )
  )
  yield* router.add("GET", "/docs", Effect.flatten(page))
}))

/** Every route, over whatever ports are provided. */
export const routes = (config: RoomkeyConfig) =>
  Layer.mergeAll(
    HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(
      Layer.provide(handlers),
      Layer.provide(middleware)
    ),
    docs,
    Demo.layer(config),
    // The first is the outermost.
    Edge.layer,
    Cors.layer
  )

/** One server: for requests by Effect's platform, for the handshakes of sockets by their own door. */
const httpServer = (config: RoomkeyConfig) =>
  Layer.unwrap(Effect.map(NodeServer, (server) =>
    Layer.merge(
      NodeHttpServer.layer(() => server, {
        port: config.port,
        host: config.host,
        gracefulShutdownTimeout: "3 seconds"
      }),
      HandshakesNode.layer(server)
    ))).pipe(Layer.provideMerge(Layer.merge(NodeServer.layer, RequestIds.layer)))

/** The last layer up and so the first down: say so, let the sockets go, and only then stop the server. */
const drain = (config: RoomkeyConfig) =>
  Layer.effectDiscard(Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    const registry = yield* Registry
    yield* Effect.addFinalizer(() =>
      Effect.andThen(
        lifecycle.drain,
        Effect.all([registry.drain, Effect.sleep(config.shutdownDelay)], { concurrency: 2, discard: true })
      )
    )
  }))

const socketPolicy = (config: RoomkeyConfig) =>
  Layer.effect(
    SocketPolicy,
    Effect.map(SocketPolicy, (byDefault) => ({
      ...byDefault,
      maxPerUser: config.maxSocketsPerUser,
      maxMembers: config.maxChannelMembers,
      pingEvery: config.socketPing,
      drainOver: config.socketDrain
    }))
  )

/** The service over a database that is still to be provided. */
export const layerNoDatabase = (config: RoomkeyConfig) =>
  drain(config).pipe(
    Layer.provideMerge(HttpRouter.serve(routes(config), { disableLogger: true, disableListenLog: true })),
    Layer.provideMerge(DirectCallsNode.layer),
    // Before there are requests, so that no handshake becomes one that need not.
    Layer.provideMerge(doorLayer),
    Layer.provideMerge(Layer.merge(Registry.layer, Rooms.layer)),
    Layer.provideMerge(Adapters.layer(config)),
    Layer.provideMerge(httpServer(config)),
    Layer.provide(Layer.mergeAll(
      Layer.succeed(HttpIncomingMessage.MaxBodySize, ByteSize.kibibytes(64)),
      Layer.succeed(TrustProxy, config.trustProxy),
      Layer.succeed(Cors.CorsOrigins, config.corsOrigins),
      socketPolicy(config)
    )),
    Layer.provideMerge(Observability.layer(config))
  )

export const layer = (config: RoomkeyConfig) =>
  layerNoDatabase(config).pipe(Layer.provideMerge(Adapters.database(config)))
