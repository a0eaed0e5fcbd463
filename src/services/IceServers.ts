import { Context } from "effect"
import type { IceServer } from "../domain/IceServer.ts"
import type { UserId } from "../domain/Ids.ts"

/** Which ICE servers there are. */
export class IceServers extends Context.Service<IceServers, {
  /**
   * Those that `userId` may use. `expiresIn`: for how many seconds from now; `null` when for good. At once, since a handshake
   * is answered in its turn: who has them from a provider asks beforehand.
   */
  readonly forUser: (userId: UserId) => {
    readonly servers: ReadonlyArray<IceServer>
    readonly expiresIn: number | null
  }
}>()("roomkey/services/IceServers") {}
