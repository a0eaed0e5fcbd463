import { Effect } from "effect"
import { type Member, NotAllowed, type StandingChange } from "../../domain/Channel.ts"
import { changeStanding } from "../../flows/channels/ChangeStanding.ts"
import { asUser } from "../../services/Actor.ts"
import type { Connection } from "../Connection.ts"
import type { Rooms } from "../Rooms.ts"

/** As a host, decides about the user of another connection. Whether the user is a host for good, the store looks up. */
export const moderate = Effect.fnUntraced(function* (
  rooms: Rooms["Service"],
  connection: Connection,
  connectionId: string,
  decide: (member: Member) => Effect.Effect<StandingChange, NotAllowed>
) {
  const { channelId, self } = yield* rooms.present(connection)
  const member = yield* rooms.find(connection, connectionId)
  if (self.role !== "host") return yield* new NotAllowed({ reason: "not_host" })
  const change = yield* decide(member)
  const { sessionId, tenantId, user } = connection.principal
  yield* asUser(changeStanding(tenantId, channelId, member.user.id, change, { userId: user.id, sessionId }))
})
