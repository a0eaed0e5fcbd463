// Which readings of a session may still be believed. Three rules, whatever the order in which things arrive:
//
// 1. A reading counts from the moment before it was asked for, and for less than a second. So what another instance
//    changes shows within a second even if nobody says so.
// 2. What was forgotten counts only if it was read afterwards. So what this instance changes shows at once, although
//    a reading from before may come in later.
// 3. A reading counts only while events are heard without a gap since. So what others say has ended is not served from
//    memory, and nothing is while they cannot be heard.
//
// Pure: time and epoch are arguments.
import type { SessionId, UserId } from "../domain/Ids.ts"
import type { SessionRecord } from "../domain/Session.ts"

/** Milliseconds for which a reading counts. */
export const believedFor = 750

/** What is known when a reading begins: milliseconds of a clock that never goes back, and the epoch of `EventBus.hearing`. */
export interface Moment {
  readonly at: number
  readonly epoch: number | undefined
}

interface Reading extends Moment {
  readonly record: SessionRecord
}

export class SessionMemory {
  readonly #maxReadings: number
  /** In the order of their moments, oldest first. */
  readonly #readings = new Map<SessionId, Reading>()
  /** When each was last forgotten, oldest first. */
  readonly #forgotten = new Map<SessionId | UserId, number>()
  #allForgottenAt = -Infinity

  constructor(maxReadings: number) {
    this.#maxReadings = maxReadings
  }

  remember(record: SessionRecord, moment: Moment): void {
    const known = this.#readings.get(record.id)
    if (known !== undefined && known.at > moment.at) return
    this.#readings.delete(record.id)
    this.#readings.set(record.id, { ...moment, record })
    for (const [id, { at }] of this.#readings) {
      if (this.#readings.size <= this.#maxReadings && at + believedFor > moment.at) break
      this.#readings.delete(id)
    }
  }

  /** The session as it was read, with what is left of its periods now. */
  recall(id: SessionId, now: Moment): SessionRecord | undefined {
    const reading = this.#readings.get(id)
    if (reading === undefined || now.epoch === undefined || reading.epoch !== now.epoch) return undefined
    const { at, record } = reading
    if (now.at - at >= believedFor || at <= this.#allForgottenAt) return undefined
    if (this.#wasForgottenSince(at, id) || this.#wasForgottenSince(at, record.user.id)) return undefined
    return aged(record, (now.at - at) / 1000)
  }

  /** What was read of these sessions, or of any session of these users, until now. */
  forget(ids: ReadonlyArray<SessionId | UserId>, at: number): void {
    for (const id of ids) {
      this.#forgotten.delete(id)
      this.#forgotten.set(id, at)
    }
    // No reading is older than what it may be believed for.
    for (const [id, since] of this.#forgotten) {
      if (since + believedFor > at) break
      this.#forgotten.delete(id)
    }
  }

  forgetAll(at: number): void {
    this.#allForgottenAt = at
    this.#readings.clear()
  }

  #wasForgottenSince(at: number, id: SessionId | UserId): boolean {
    const since = this.#forgotten.get(id)
    return since !== undefined && since >= at
  }
}

const aged = (record: SessionRecord, seconds: number): SessionRecord => ({
  ...record,
  sessionLeft: record.sessionLeft - seconds,
  access: {
    ...record.access,
    left: record.access.left - seconds,
    previousLeft: record.access.previousLeft - seconds
  },
  refresh: {
    ...record.refresh,
    left: record.refresh.left - seconds,
    sinceRotation: record.refresh.sinceRotation + seconds
  }
})
