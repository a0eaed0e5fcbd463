// What this instance still has to write and to tell the others. Of a member only the latest state counts, so what waits is
// bounded by the open sockets. Relays are bounded by their characters; senders take turns, and who has most waiting loses
// the oldest of its own, so that a flood costs nobody else.
import type { Member } from "../domain/Channel.ts"
import type { ChannelId } from "../domain/Ids.ts"
import type { PresenceChange, RemoteRelay } from "../services/PresenceStore.ts"

/** Members in one statement. */
const batchSize = 256
/** Characters of relays in one statement, and of those that wait. */
const batchCharacters = 128 * 1024
const maxCharacters = 16 * 1024 * 1024

export interface Batch {
  readonly changes: ReadonlyArray<PresenceChange>
  readonly relays: ReadonlyArray<RemoteRelay>
}

interface Sender {
  relays: Array<RemoteRelay>
  characters: number
}

export class Outbox {
  readonly #changes = new Map<string, PresenceChange>()
  /** By connection; whose turn it is first. */
  readonly #senders = new Map<string, Sender>()
  #characters = 0

  get isEmpty(): boolean {
    return this.#changes.size === 0 && this.#senders.size === 0
  }

  /** `member`, or nobody any more, is what `connectionId` is in `channelId`. */
  changed(connectionId: string, channelId: ChannelId, member: Member | undefined): void {
    const waiting = this.#changes.get(connectionId)
    const channelIds = new Set(waiting?.channelIds).add(channelId)
    this.#changes.set(connectionId, { connectionId, member, channelIds })
  }

  /** Answers how many relays were dropped for it. */
  relay(relay: RemoteRelay): number {
    this.#add(relay, "push")
    return this.#dropTooMany()
  }

  take(): Batch {
    const changes: Array<PresenceChange> = []
    for (const change of this.#changes.values()) {
      if (changes.length === batchSize) break
      changes.push(change)
      this.#changes.delete(change.connectionId)
    }
    const relays: Array<RemoteRelay> = []
    // A relay may not overtake the arrival of who sent it.
    if (this.#changes.size > 0) return { changes, relays }
    for (let characters = 0; characters < batchCharacters;) {
      const [next] = this.#senders
      if (next === undefined) break
      const [from, sender] = next
      this.#senders.delete(from)
      const relay = this.#takeOldest(sender)!
      if (sender.relays.length > 0) this.#senders.set(from, sender)
      characters += relay.text.length
      relays.push(relay)
    }
    return { changes, relays }
  }

  /** What could not be written waits again, unless something newer does. Answers how many relays were dropped. */
  giveBack({ changes, relays }: Batch): number {
    for (const change of changes) {
      const newer = this.#changes.get(change.connectionId)
      this.#changes.set(
        change.connectionId,
        newer === undefined ? change : { ...newer, channelIds: new Set([...change.channelIds, ...newer.channelIds]) }
      )
    }
    for (const relay of relays.toReversed()) this.#add(relay, "unshift")
    return this.#dropTooMany()
  }

  #add(relay: RemoteRelay, where: "push" | "unshift"): void {
    const sender = this.#senders.get(relay.from) ?? { relays: [], characters: 0 }
    sender.relays[where](relay)
    sender.characters += relay.text.length
    this.#characters += relay.text.length
    this.#senders.set(relay.from, sender)
  }

  #takeOldest(sender: Sender): RemoteRelay | undefined {
    const relay = sender.relays.shift()
    sender.characters -= relay?.text.length ?? 0
    this.#characters -= relay?.text.length ?? 0
    return relay
  }

  #dropTooMany(): number {
    let dropped = 0
    while (this.#characters > maxCharacters) {
      const [from, heaviest] = [...this.#senders].reduce((a, b) => b[1].characters > a[1].characters ? b : a)
      this.#takeOldest(heaviest)
      if (heaviest.relays.length === 0) this.#senders.delete(from)
      dropped++
    }
    return dropped
  }
}
