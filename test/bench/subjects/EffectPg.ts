// What a start costs before Roomkey does anything: a bare Effect server with one route that asks PostgreSQL.
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Config, Effect, Layer } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"

const ready = HttpRouter.add(
  "GET",
  "/ready",
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    yield* sql`select 1`
    return yield* HttpServerResponse.json({ status: "ok" })
  }).pipe(Effect.orDie)
)

const listening = Layer.effectDiscard(
  HttpServer.addressFormattedWith((address) => Effect.logInfo(`Listening on ${address}`))
)

const server = Layer.unwrap(
  Effect.map(
    Config.Redacted("DATABASE_URL"),
    (url) =>
      Layer.mergeAll(HttpRouter.serve(ready, { disableLogger: true, disableListenLog: true }), listening).pipe(
        Layer.provide(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })),
        Layer.provide(PgClient.layer({ url }))
      )
  )
)

NodeRuntime.runMain(Layer.launch(server))
