// Whether PostgreSQL answers.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer } from "effect"
import { Database } from "../services/Database.ts"
import { Queries } from "./Query.ts"

export const layer: Layer.Layer<Database, never, PgClient> = Layer.effect(
  Database,
  Effect.map(Queries, ({ attempt, sql }) => Database.of({ ping: Effect.asVoid(attempt("ping", sql`select 1 as up`)) }))
).pipe(Layer.provide(Queries.layer))
