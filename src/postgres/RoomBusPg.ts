// Notices about voice rooms between instances, over LISTEN/NOTIFY on a connection of their own, so that no flood of signals
// is between an instance and a revocation.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Effect, Layer } from "effect"
import { RoomNotice } from "../domain/RoomNotice.ts"
import { RoomBus } from "../services/RoomBus.ts"
import { hear } from "./Hear.ts"
import { NodeId } from "./NodeId.ts"
import { Assembly, channel } from "./RoomNotices.ts"

export const layer: Layer.Layer<RoomBus, never, PgClient> = Layer.effect(
  RoomBus,
  Effect.gen(function* () {
    const assembly = new Assembly(yield* NodeId)
    const { bus, tell } = yield* RoomBus.make
    yield* hear(channel, {
      onGap: Effect.suspend(() => {
        assembly.reset()
        return tell(RoomNotice.Gap())
      }),
      onLost: Effect.void,
      onPayload: (payload) => {
        const notice = assembly.take(payload)
        return notice === undefined ? Effect.void : tell(notice)
      }
    })
    return bus
  })
).pipe(Layer.provide(NodeId.layer))
