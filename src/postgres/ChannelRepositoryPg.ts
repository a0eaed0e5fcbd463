// Channels in PostgreSQL.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer, Schema } from "effect"
import { ChannelId } from "../domain/Ids.ts"
import { ChannelRepository } from "../services/ChannelRepository.ts"
import { Queries, rows } from "./Query.ts"

const ChannelRow = Schema.Struct({ id: ChannelId, name: Schema.String })

export const layer: Layer.Layer<ChannelRepository, never, PgClient> = Layer.effect(
  ChannelRepository,
  Effect.gen(function* () {
    const { attempt, sql } = yield* Queries
    const channelRows = rows(ChannelRow)

    return ChannelRepository.of({
      list: (tenantId) =>
        attempt(
          "listChannels",
          sql`select id::float8 as id, name from channels where tenant_id = ${tenantId} order by channels.id`.pipe(
            Effect.flatMap(channelRows)
          )
        ),
      create: Effect.fnUntraced(function* (tenantId, name, createdBy) {
        const [row] = yield* attempt(
          "createChannel",
          sql`insert into channels (tenant_id, name, created_by) values (${tenantId}, ${name}, ${createdBy})
            returning id::float8 as id, name`.pipe(Effect.flatMap(channelRows))
        )
        return row === undefined ? yield* Effect.die("createChannel: no row") : row
      })
    })
  })
).pipe(Layer.provide(Queries.layer))
