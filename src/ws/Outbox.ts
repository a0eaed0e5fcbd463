// What this instance still has to write and to tell the others. Of a member only the latest state counts, so what waits is
// bounded by the open sockets; relays are bounded by their characters, and the oldest go first.
import type { Member } from "../domain/Channel.ts"
import type { ChannelId } from "../domain/Ids.ts"
import type { PresenceChange, RemoteRelay } from "../services/PresenceStore.ts"

/** Members in one statement. */
const batchSize = 256
/** Characters of relays in one statement, and of those that wait. */
const batchCharacters = 512 * 1024
const maxCharacters = 16 * 1024 * 1024

export interface Batch {
  readonly changes: ReadonlyArray<PresenceChange>
  readonly relays: ReadonlyArray<RemoteRelay>
}

export class Outbox {
  readonly #changes = new Map<string, PresenceChange>()
  #relays: Array<RemoteRelay> = []
  #characters = 0

  get isEmpty(): boolean {
    return this.#changes.size === 0 && this.#relays.length === 0
  }

  /** `member`, or nobody any more, is what `connectionId` is in `channelId`. */
  changed(connectionId: string, channelId: ChannelId, member: Member | undefined): void {
    const waiting = this.#changes.get(connectionId)
    const channelIds = new Set(waiting?.channelIds).add(channelId)
    this.#changes.set(connectionId, { connectionId, member, channelIds })
  }

  /** Answers how many relays were dropped for it. */
  relay(relay: RemoteRelay): number {
    this.#relays.push(relay)
    this.#characters += relay.text.length
    return this.#dropOldest()
  }

  take(): Batch {
    const changes: Array<PresenceChange> = []
    for (const change of this.#changes.values()) {
      if (changes.length === batchSize) break
      changes.push(change)
      this.#changes.delete(change.connectionId)
    }
    // A relay may not overtake the arrival of who sent it.
    return { changes, relays: this.#changes.size > 0 ? [] : this.#takeRelays(batchCharacters) }
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
    this.#relays = [...relays, ...this.#relays]
    for (const { text } of relays) this.#characters += text.length
    return this.#dropOldest()
  }

  #dropOldest(): number {
    return this.#takeRelays(this.#characters - maxCharacters).length
  }

  /** The oldest, until they have so many characters. */
  #takeRelays(characters: number): ReadonlyArray<RemoteRelay> {
    let taken = 0
    let count = 0
    while (taken < characters && count < this.#relays.length) taken += this.#relays[count++]!.text.length
    this.#characters -= taken
    return this.#relays.splice(0, count)
  }
}
