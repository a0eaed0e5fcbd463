// Notices about voice rooms as PostgreSQL carries them: text of less than 8000 bytes, of which it drops a second that is the
// same within one transaction. So a relay is numbered, and one that is too long goes in parts, in one statement.
import { Schema } from "effect"
import { ChannelId, UserId } from "../domain/Ids.ts"
import { type Relay, RoomNotice } from "../domain/RoomNotice.ts"
import type { PresenceChange, RemoteRelay } from "../services/PresenceStore.ts"
import type { Channel } from "./Notifications.ts"

export const channel: Channel = "roomkey_rooms"

/** SQL that tells every instance of a decision, with the SQL of the channel's and of the user's id, or `null`. */
export const decisionsChanged = (channelId: string, userId: string): string =>
  `pg_notify('${channel}', 'decided ' || ${channelId} || ' ' || coalesce((${userId})::text, '*'))`

/** SQL that tells every instance of members that were removed for another: of a channel, and comma-separated ids. */
export const membersRemoved = (channelId: string, connectionIds: string): string =>
  `pg_notify('${channel}', 'members * ' || ${channelId} || ' ' || ${connectionIds})`

/** UUIDs in one notice, and room to spare. */
export const idsPerNotice = 150
const charactersPerPart = 7500

export const membersChanged = (nodeId: string, changes: ReadonlyArray<PresenceChange>): Array<string> => {
  const byChannel = new Map<ChannelId, Array<string>>()
  for (const { channelIds, connectionId } of changes) {
    for (const channelId of channelIds) {
      const ids = byChannel.get(channelId)
      if (ids === undefined) byChannel.set(channelId, [connectionId])
      else ids.push(connectionId)
    }
  }
  const notices: Array<string> = []
  for (const [channelId, ids] of byChannel) {
    for (let at = 0; at < ids.length; at += idsPerNotice) {
      notices.push(`members ${nodeId} ${channelId} ${ids.slice(at, at + idsPerNotice).join(",")}`)
    }
  }
  return notices
}

/** JSON has such characters in its strings only, where their escapes say the same: one byte a character, cut anywhere. */
const toAscii = (json: string): string =>
  json.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** `number`: another for each relay of this instance. */
export const relayParts = (relay: RemoteRelay, fromNode: string, number: number): Array<string> => {
  const text = toAscii(relay.text)
  const parts = Math.max(1, Math.ceil(text.length / charactersPerPart))
  return Array.from(
    { length: parts },
    (_, part) =>
      `relay ${relay.nodeId} ${fromNode}:${number} ${part + 1}/${parts} ${relay.channelId} ${relay.from} ${relay.to} ` +
      text.slice(part * charactersPerPart, (part + 1) * charactersPerPart)
  )
}

const isChannelId = Schema.is(ChannelId)
const isUserId = Schema.is(UserId)
/** Rows are asked for by these: one that is none would fail the question for all, each time. */
const isConnectionId = Schema.is(Schema.String.check(Schema.isGUID()))

/** Puts the parts of relays together again. A notice from a newer version is none for this one. */
export class Assembly {
  readonly #nodeId: string
  #name = ""
  #next = 1
  #text = ""

  constructor(nodeId: string) {
    this.#nodeId = nodeId
  }

  /** The rest of a relay whose parts were missed will not come. */
  reset(): void {
    this.#name = ""
  }

  take(payload: string): RoomNotice | undefined {
    const kind = payload.slice(0, payload.indexOf(" "))
    switch (kind) {
      case "members":
        return this.#members(payload.split(" "))
      case "decided": {
        const [, id, user] = payload.split(" ")
        const channelId = Number(id)
        const userId = user === "*" ? null : Number(user)
        if (!isChannelId(channelId) || (userId !== null && !isUserId(userId))) return undefined
        return RoomNotice.DecisionsChanged({ channelId, userId })
      }
      case "relay":
        return payload.startsWith(this.#nodeId, "relay ".length) ? this.#relay(payload) : undefined
    }
    return undefined
  }

  #members([, node, id, ids]: ReadonlyArray<string>): RoomNotice | undefined {
    const channelId = Number(id)
    if (node === this.#nodeId || ids === undefined || !isChannelId(channelId)) return undefined
    const connectionIds = ids.split(",")
    return connectionIds.every(isConnectionId) ? RoomNotice.MembersChanged({ channelId, connectionIds }) : undefined
  }

  #relay(payload: string): Relay & RoomNotice | undefined {
    const parts = /^relay \S+ (\S+) (\d+)\/(\d+) (\d+) (\S+) (\S+) /.exec(payload)
    if (parts === null) return undefined
    const [head, name, part, of, id, from, to] = parts as unknown as [string, ...Array<string>]
    const channelId = Number(id)
    if (part === "1") {
      this.#name = name!
      this.#next = 1
      this.#text = ""
    }
    if (name !== this.#name || Number(part) !== this.#next || !isChannelId(channelId)) return undefined
    this.#next++
    this.#text += payload.slice(head.length)
    return part === of ? RoomNotice.Relay({ channelId, from: from!, to: to!, text: this.#text }) : undefined
  }
}
