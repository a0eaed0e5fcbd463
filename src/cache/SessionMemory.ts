// Which readings of a session may still be believed. Four rules, whatever the order in which things arrive:
//
// 1. A reading counts from the moment before it was asked for, and not for longer than `believedFor`. Of what others do,
//    only a refresh goes unsaid: it leaves the pair before it valid for the grace period, and so for as long a reading is
//    right about a pair that it says is valid.
// 2. What was forgotten counts only if it was asked for afterwards. So what this instance changes shows at once, although
//    a reading from before may come in later.
// 3. A reading counts only while all that others said, but for the last 750 ms, has been heard, without a gap since it was
//    asked for. So what they change, which makes this instance forget as soon as it is heard, shows within a second, and
//    nothing is served from memory while they cannot be heard.
// 4. A reading that took long does not count: what it contradicts may be forgotten itself.
//
// What is recalled late in its time ages: it can be read again before it counts no longer, so that who is asked for all the
// time need not be waited for.
//
// Pure: time and epoch are arguments.
import type { SessionId, TenantId, UserId } from "../domain/Ids.ts"
import type { SessionRecord } from "../domain/Session.ts"

/** Milliseconds that a reading may take. */
export const maxPatience = 5000

/** The part of its time after which a reading ages. */
const youth = 0.75

/** What is known at a moment: milliseconds of a clock that never goes back, and the epoch of `EventBus.hearing`. */
export interface Moment {
  readonly at: number
  readonly epoch: number | undefined
}

interface Reading extends Moment {
  readonly record: SessionRecord
  ages: boolean
}

export class SessionMemory {
  readonly #maxReadings: number
  readonly #believedFor: number
  readonly #onAging: () => void
  /** As they came in, oldest first. */
  readonly #readings = new Map<SessionId, Reading>()
  readonly #sessionsOf = new Map<UserId, Set<SessionId>>()
  /** Whose reading ages and is not taken yet. */
  readonly #aging = new Set<SessionId>()
  /** When each was last forgotten, oldest first, for as long as readings from before may come in. */
  readonly #forgotten = new Map<SessionId | UserId, number>()
  /** Readings that may still come in. */
  #awaited = 0
  /** When one was last forgotten. */
  #tenantForgottenAt = -Infinity

  /** `believedFor`: milliseconds. `onAging` is called when a reading has begun to age. */
  constructor(options: {
    readonly maxReadings: number
    readonly believedFor: number
    readonly onAging: () => void
  }) {
    this.#maxReadings = options.maxReadings
    this.#believedFor = options.believedFor
    this.#onAging = options.onAging
  }

  /** A record is going to be asked for; it is `ended` whatever comes of it. */
  begun(): void {
    this.#awaited++
  }

  ended(): void {
    if (--this.#awaited === 0) this.#forgotten.clear()
  }

  /** Between `begun` and `ended`, or it does nothing. `asked`: the moment before the record was asked for. */
  remember(record: SessionRecord, asked: Moment, now: number): void {
    if (this.#awaited === 0 || now - asked.at >= maxPatience || asked.at <= this.#tenantForgottenAt) return
    if (this.#wasForgottenSince(asked.at, record.id) || this.#wasForgottenSince(asked.at, record.user.id)) return
    const known = this.#readings.get(record.id)
    if (known !== undefined && known.at > asked.at) return
    this.#readings.delete(record.id)
    this.#aging.delete(record.id)
    this.#readings.set(record.id, { ...asked, record, ages: false })
    const sessions = this.#sessionsOf.get(record.user.id)
    if (sessions === undefined) this.#sessionsOf.set(record.user.id, new Set([record.id]))
    else sessions.add(record.id)
    for (const [id, { at }] of this.#readings) {
      if (this.#readings.size <= this.#maxReadings && at + this.#believedFor > now) break
      this.#drop(id)
    }
  }

  /** The session as it was read, with what is left of its periods now. */
  recall(id: SessionId, now: Moment): SessionRecord | undefined {
    const reading = this.#readings.get(id)
    if (reading === undefined || now.epoch === undefined || reading.epoch !== now.epoch) return undefined
    const age = now.at - reading.at
    if (age >= this.#believedFor) return undefined
    if (!reading.ages && age >= this.#believedFor * youth) {
      reading.ages = true
      this.#aging.add(id)
      this.#onAging()
    }
    return aged(reading.record, age / 1000)
  }

  /** At most so many sessions whose reading ages and still counts, each reading once. */
  takeAging(limit: number, now: Moment): ReadonlyArray<SessionId> {
    const taken: Array<SessionId> = []
    for (const id of this.#aging) {
      if (taken.length === limit) break
      this.#aging.delete(id)
      const reading = this.#readings.get(id)
      const counts = reading !== undefined && reading.epoch === now.epoch && now.at < reading.at + this.#believedFor
      if (counts) taken.push(id)
    }
    return taken
  }

  /** What was asked for until now of these sessions, or of any session of these users. */
  forget(ids: ReadonlyArray<SessionId | UserId>, at: number): void {
    for (const id of ids) {
      if (this.#awaited > 0) {
        this.#forgotten.delete(id)
        this.#forgotten.set(id, at)
      }
      if (typeof id === "string") this.#drop(id)
      else for (const session of this.#sessionsOf.get(id) ?? []) this.#drop(session)
    }
    for (const [id, since] of this.#forgotten) {
      if (since + maxPatience > at) break
      this.#forgotten.delete(id)
    }
  }

  /** Also what was asked for of other tenants and has not come in yet: it is read again. */
  forgetTenant(tenantId: TenantId, at: number): void {
    this.#tenantForgottenAt = at
    for (const [id, { record }] of this.#readings) {
      if (record.tenantId === tenantId) this.#drop(id)
    }
  }

  #drop(id: SessionId): void {
    const reading = this.#readings.get(id)
    if (reading === undefined) return
    this.#readings.delete(id)
    this.#aging.delete(id)
    const sessions = this.#sessionsOf.get(reading.record.user.id)
    sessions?.delete(id)
    if (sessions?.size === 0) this.#sessionsOf.delete(reading.record.user.id)
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
