// Notices about voice rooms between instances, over NOTIFY.
import { Duration, Effect, Layer } from "effect"
import { RoomNotice } from "../domain/RoomNotice.ts"
import { RoomBus } from "../services/RoomBus.ts"
import { NodeId } from "./NodeId.ts"
import { Notifications } from "./Notifications.ts"
import { Assembly, channel } from "./RoomNotices.ts"

export const layer: Layer.Layer<RoomBus, never, Notifications> = Layer.effect(
  RoomBus,
  Effect.gen(function* () {
    const assembly = new Assembly(yield* NodeId)
    const { bus, tell } = yield* RoomBus.make
    const notifications = yield* Notifications
    yield* notifications.hear(channel, {
      beatEvery: Duration.seconds(1),
      onGap: Effect.suspend(() => {
        assembly.reset()
        return tell(RoomNotice.Gap())
      }),
      onPayload: (payload) => {
        const notice = assembly.take(payload)
        return notice === undefined ? Effect.void : tell(notice)
      }
    })
    return bus
  })
).pipe(Layer.provide(NodeId.layer))
