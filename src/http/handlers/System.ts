// Health, readiness and metrics.
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { Api } from "../../api/Api.ts"
import * as Problems from "../../api/Problems.ts"
import { Database } from "../../services/Database.ts"
import { Lifecycle } from "../../services/Lifecycle.ts"

export const systemLayer = HttpApiBuilder.group(Api, "system", (handlers) =>
  handlers.handleAll({
    health: () => Effect.succeed({ status: "ok" as const }),
    ready: Effect.fnUntraced(function* () {
      const lifecycle = yield* Lifecycle
      const database = yield* Database
      if (lifecycle.draining()) return yield* new Problems.Unavailable({ detail: "Shutting down" })
      yield* database.ping
      return { status: "ok" as const }
    }, Effect.catchTags({ StoreUnavailable: () => new Problems.Unavailable({ detail: "The database is away" }) })),
    metrics: () => PrometheusMetrics.format()
  }))
