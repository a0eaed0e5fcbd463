// The channel that one is in, as the server tells of it, and the one to return to after a reconnect. The server does not
// echo a change to who made it, so those are applied here once it has agreed.
import type { Member } from "../api/Member.ts"
import type { Role } from "../domain/Role.ts"
import type { Payload, RealtimeEvents } from "./Realtime.ts"

/** A channel that is to be entered again. */
export interface Place {
  readonly channelId: number
  role: Role | undefined
  muted: boolean
}

const removals = ["removed_from_channel", "channel_deleted"]

export const isRemoval = (code: string): boolean => removals.includes(code)

type Emit = <Event extends keyof RealtimeEvents>(event: Event, value: RealtimeEvents[Event]) => void

export class Room {
  readonly members = new Map<string, Member>()
  channelId: number | undefined
  /** One's own connection. */
  self: string | undefined
  /** Where to return to, and where the last `join_channel` was for: they differ until it is answered. */
  place: Place | undefined
  heading: Place | undefined
  readonly #emit: Emit
  /** The channel that one was taken out of, until the frame that says why. */
  #takenFrom: number | undefined

  constructor(emit: Emit) {
    this.#emit = emit
  }

  forget(): void {
    this.place = this.heading = this.channelId = undefined
    this.members.clear()
  }

  entered({ channel_id, users }: Payload<"channel_users">): void {
    if (this.heading?.channelId === channel_id) this.place = this.heading
    this.channelId = channel_id
    this.#takenFrom = undefined
    this.members.clear()
    for (const user of users) {
      // Asked for behind the join, and about to be agreed to.
      const muted = user.muted || (user.connection_id === this.self && this.place?.muted === true)
      this.members.set(user.connection_id, { ...user, muted })
    }
    this.#emit("joined", { channel_id, users: [...this.members.values()] })
  }

  changed(event: "user_joined" | "user_updated", member: Member): void {
    const before = this.members.get(member.connection_id)
    this.members.set(member.connection_id, member)
    // A role that a host gave counts for more than the one that was asked for.
    const isOwn = member.connection_id === this.self
    if (isOwn && this.place !== undefined && before?.role !== member.role) this.place.role = undefined
    this.#emit(event, member)
  }

  left(member: Member): void {
    if (member.connection_id === this.self) {
      this.#takenFrom = this.channelId
      return this.forget()
    }
    this.members.delete(member.connection_id)
    this.#emit("user_left", member)
  }

  removed(code: string): void {
    const from = this.channelId ?? this.#takenFrom ?? this.place?.channelId
    this.#takenFrom = undefined
    this.forget()
    if (from !== undefined) this.#emit("removed", { channel_id: from, code })
  }

  /** What the server has agreed to, of oneself. */
  update(change: Partial<Member>): void {
    const own = this.members.get(this.self ?? "")
    if (own === undefined) return
    const changed = { ...own, ...change }
    this.members.set(changed.connection_id, changed)
    this.#emit("user_updated", changed)
  }

  muted(muted: boolean): void {
    if (this.place !== undefined) this.place.muted = muted
    this.update(muted ? { muted, speaking: false } : { muted })
  }
}
