// One channel as this instance sees it: its own members, whom it decides about and tells, and those of other instances, as
// their rows say. Everything here happens in one step, and nothing waits.
import { type Member as WireMember, toMember } from "../api/Member.ts"
import { isMuted, type Member, type Seat } from "../domain/Channel.ts"
import type { ChannelId } from "../domain/Ids.ts"
import type { Role } from "../domain/Role.ts"
import type { Connection } from "./Connection.ts"

/** A member that is connected to this instance. */
export interface Local {
  readonly connection: Connection
  /** The role that it asked for. */
  requested: Role | undefined
  maySpeak: boolean
}

export interface Entry {
  member: Member
  /** The instance of a member that is connected elsewhere. */
  nodeId: string | undefined
  readonly local: Local | undefined
  /** The member as the others know it. */
  told: Member
  /** It was told a moment ago: for so many turns more, what changes is told with what changes next. */
  held: number
  /** Whether the next change is told to the member too, who did not make it. */
  tellsItself: boolean
}

type PresenceType = "user_joined" | "user_left" | "user_updated"

export const presenceFrame = (type: PresenceType, member: Member): string => {
  const payload: WireMember = toMember(member)
  return JSON.stringify({ type, payload })
}

const looksSame = (a: Member, b: Member): boolean =>
  a.role === b.role && isMuted(a) === isMuted(b) && a.speaking === b.speaking

export class Room {
  readonly channelId: ChannelId
  readonly members = new Map<string, Entry>()
  readonly locals = new Map<string, Entry & { readonly local: Local }>()
  /** Those who want to come in, for whom the room is kept. */
  expected = 0
  /** Whether the members of other instances are here. */
  loaded = false
  /** How often decisions about this channel were heard of. */
  decisions = 0

  constructor(channelId: ChannelId) {
    this.channelId = channelId
  }

  add(member: Member, from: Local | { readonly nodeId: string }): void {
    const state = { member, told: member, held: 0, tellsItself: false }
    if ("connection" in from) {
      const entry = { ...state, nodeId: undefined, local: from }
      this.locals.set(member.connectionId, entry)
      this.members.set(member.connectionId, entry)
    } else {
      this.members.set(member.connectionId, { ...state, nodeId: from.nodeId, local: undefined })
    }
    this.tell(presenceFrame("user_joined", member), member.connectionId)
  }

  /** Tells nobody. */
  delete(connectionId: string): Entry | undefined {
    const entry = this.members.get(connectionId)
    this.members.delete(connectionId)
    this.locals.delete(connectionId)
    return entry
  }

  remove(connectionId: string): void {
    const entry = this.delete(connectionId)
    if (entry !== undefined) this.tell(presenceFrame("user_left", entry.member))
  }

  /** Tells the others how a member looks now. */
  tellUpdate(entry: Entry): void {
    const { member, tellsItself } = entry
    entry.tellsItself = false
    entry.told = member
    this.tell(presenceFrame("user_updated", member), tellsItself ? undefined : member.connectionId)
  }

  hasNews({ member, told }: Entry): boolean {
    return !looksSame(told, member)
  }

  /** Every member of this instance but one. */
  tell(text: string, but?: string): void {
    for (const [connectionId, { local }] of this.locals) if (connectionId !== but) local.connection.tell(text)
  }
}

/** A member as the seat that was decided on makes it. */
export const seated = (member: Member, seat: Seat): Member => {
  const next = { ...member, role: seat.role, mutedBy: seat.mutedBy }
  return { ...next, speaking: member.speaking && seat.maySpeak && !isMuted(next) }
}
