// The memory against the history of a session that this instance, and others, change while it is being read. Whatever
// the order, what is recalled was true less than a second ago, but for a refresh within its grace period, and this instance
// changed nothing since.
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { maxPatience, SessionMemory } from "../../src/cache/SessionMemory.ts"
import { AppId, SessionId, TenantId, UserId } from "../../src/domain/Ids.ts"
import type { SessionRecord } from "../../src/domain/Session.ts"

const grace = 6000
const believedFor = grace + 750

const make = (maxReadings = 10, onAging: () => void = () => undefined) =>
  new SessionMemory({ maxReadings, believedFor, onAging })

const id = SessionId.make("01890000-0000-7000-8000-000000000000")
const userId = UserId.make(7)
const tenantId = TenantId.make(1)

/** `version` is what changes: the user's metadata. */
const record = (version: number, sessionId = id): SessionRecord => ({
  id: sessionId,
  tenantId,
  appId: AppId.make(`vc_app_${"0".repeat(32)}`),
  tenantSuspended: false,
  allowedOrigins: [],
  queryTokens: true,
  user: { id: userId, username: "ada", customId: null, pictureUrl: null, metadata: { version } },
  userBanned: false,
  endReason: null,
  sessionLeft: 1000,
  access: { digest: new Uint8Array(), left: 100, previousDigest: null, previousLeft: 50 },
  refresh: {
    digest: new Uint8Array(),
    left: 500,
    previousDigest: null,
    sinceRotation: 3,
    salt: null,
    used: true
  }
})

const versionOf = (found: SessionRecord | undefined): number | undefined =>
  found === undefined ? undefined : Number(found.user.metadata!.version)

const Step = Schema.Union([
  Schema.Struct({ do: Schema.Literal("wait"), millis: Schema.Literals([1, 100, 400, 749, 750, 5000]) }),
  Schema.Struct({ do: Schema.Literal("ask") }),
  Schema.Struct({ do: Schema.Literal("read") }),
  Schema.Struct({ do: Schema.Literal("answer") }),
  Schema.Struct({ do: Schema.Literal("changeHere"), by: Schema.Literals(["session", "user", "tenant"]) }),
  Schema.Struct({ do: Schema.Literal("changeThere"), by: Schema.Literals(["session", "user", "tenant"]) }),
  Schema.Struct({ do: Schema.Literal("refreshThere") }),
  Schema.Struct({ do: Schema.Literal("hear") }),
  Schema.Struct({ do: Schema.Literal("deaf") }),
  Schema.Struct({ do: Schema.Literal("gap") })
])

const steps = Arbitrary.array(Arbitrary.schema(Step), { minLength: 20, maxLength: 40 })

/** A reading that nothing came between. */
const remember = (memory: SessionMemory, ...reading: Parameters<SessionMemory["remember"]>) => {
  memory.begun()
  memory.remember(...reading)
  memory.ended()
}

describe("SessionMemory", () => {
  it.prop(
    "recalls nothing that was not true within the second, or that this instance has changed",
    [steps],
    ([steps]) => {
      const memory = make()
      let now = 0
      let epoch = 1
      let connected = true
      /** When each version was replaced, and how. */
      const replaced: Array<{ readonly at: number; readonly how: "here" | "there" | "refresh" }> = []
      /** What others have said and is not heard yet. */
      let unheard: Array<{ readonly at: number; readonly forget: () => void }> = []
      /** The first version that a reading may have which others may have changed unheard. */
      let unheardSince = 0
      const readings: Array<{ at: number; epoch: number | undefined; version: number | undefined }> = []
      const isHearing = () => connected && unheard.every(({ at }) => now - at < 750)
      const moment = () => ({ at: now, epoch: isHearing() ? epoch : undefined })
      const forget = (by: "session" | "user" | "tenant") => {
        if (by === "tenant") memory.forgetTenant(tenantId, now)
        else memory.forget([by === "user" ? userId : id], now)
      }
      for (const step of steps) {
        switch (step.do) {
          case "wait":
            now += step.millis
            break
          case "ask":
            memory.begun()
            readings.push({ ...moment(), version: undefined })
            break
          case "read":
            for (const reading of readings) reading.version ??= replaced.length
            break
          case "answer": {
            const reading = readings.shift()
            if (reading === undefined) break
            memory.remember(record(reading.version ?? replaced.length), reading, now)
            memory.ended()
            break
          }
          case "changeHere":
            replaced.push({ at: now, how: "here" })
            forget(step.by)
            break
          case "changeThere":
            replaced.push({ at: now, how: "there" })
            if (connected) unheard.push({ at: now, forget: () => forget(step.by) })
            break
          case "refreshThere":
            replaced.push({ at: now, how: "refresh" })
            break
          case "hear":
            for (const said of unheard) said.forget()
            unheard = []
            break
          case "deaf":
            connected = false
            unheard = []
            break
          case "gap":
            connected = true
            epoch++
            unheardSince = replaced.length
        }
        const version = versionOf(memory.recall(id, moment()))
        if (version === undefined) continue
        assert.isTrue(isHearing())
        for (const [later, { at, how }] of replaced.entries()) {
          if (later < version) continue
          assert.notStrictEqual(how, "here")
          assert.isBelow(now - at, how === "refresh" ? grace + 1000 : 1000)
          if (how === "there") assert.isAtLeast(later, unheardSince)
        }
      }
    },
    { arbitrary: { runs: 3000 } }
  )

  it("takes from what is left of each period the time that has gone by", () => {
    const memory = make()
    remember(memory, record(0), { at: 1000, epoch: 1 }, 1001)
    const found = memory.recall(id, { at: 1500, epoch: 1 })!
    assert.deepStrictEqual(
      [
        found.sessionLeft,
        found.access.left,
        found.access.previousLeft,
        found.refresh.left,
        found.refresh.sinceRotation
      ],
      [999.5, 99.5, 49.5, 499.5, 3.5]
    )
  })

  it("believes a reading for as long as it may", () => {
    const memory = make()
    remember(memory, record(0), { at: 0, epoch: 1 }, 0)
    assert.isDefined(memory.recall(id, { at: believedFor - 1, epoch: 1 }))
    assert.isUndefined(memory.recall(id, { at: believedFor, epoch: 1 }))
  })

  describe("a reading that is recalled in the last quarter of its time", () => {
    const late = believedFor * 3 / 4
    const agingOf = (memory: SessionMemory, at: number, epoch: number | undefined = 1) =>
      memory.takeAging(10, { at, epoch })

    it("ages, which is said once", () => {
      let said = 0
      const memory = make(10, () => said++)
      const recallAt = (at: number) => {
        memory.recall(id, { at, epoch: 1 })
        return [said, agingOf(memory, at)]
      }
      remember(memory, record(0), { at: 0, epoch: 1 }, 0)
      assert.deepStrictEqual([late - 1, late, late + 1].map(recallAt), [[0, []], [1, [id]], [1, []]])
      remember(memory, record(1), { at: late + 1, epoch: 1 }, late + 2)
      assert.deepStrictEqual([late + 2, 2 * late, 2 * late + 1].map(recallAt), [[1, []], [1, []], [2, [id]]])
      remember(memory, record(2), { at: 2 * late + 1, epoch: 1 }, 2 * late + 2)
      assert.deepStrictEqual(recallAt(3 * believedFor), [2, []])
    })

    it("is not read again once it is forgotten, replaced, over, or from before a gap", () => {
      const aging = () => {
        const memory = make()
        remember(memory, record(0), { at: 0, epoch: 1 }, 0)
        memory.recall(id, { at: late, epoch: 1 })
        return memory
      }
      const [forgotten, replaced] = [aging(), aging()]
      forgotten.forget([id], late)
      remember(replaced, record(1), { at: late, epoch: 1 }, late)
      assert.deepStrictEqual(agingOf(aging(), believedFor - 1), [id])
      assert.deepStrictEqual([forgotten, replaced].map((memory) => agingOf(memory, late)), [[], []])
      assert.deepStrictEqual(agingOf(aging(), believedFor), [])
      assert.deepStrictEqual([2, undefined].map((epoch) => aging().takeAging(10, { at: late, epoch })), [[], []])
    })

    it("is taken with no more others than asked for", () => {
      const memory = make()
      const ids = [1, 2, 3].map((n) => SessionId.make(`0189000${n}-0000-7000-8000-000000000000`))
      for (const one of ids) remember(memory, record(0, one), { at: 0, epoch: 1 }, 0)
      for (const one of ids) memory.recall(one, { at: late, epoch: 1 })
      const take = () => memory.takeAging(2, { at: late, epoch: 1 })
      assert.deepStrictEqual([take(), take(), take()], [ids.slice(0, 2), ids.slice(2), []])
    })
  })

  it("needs to know what was forgotten only while something that was asked for before may come in", () => {
    const memory = make()
    memory.begun()
    memory.forget([id], 100)
    memory.ended()
    remember(memory, record(0), { at: 100, epoch: 1 }, 101)
    assert.isDefined(memory.recall(id, { at: 101, epoch: 1 }))
  })

  it("knows what was forgotten until the last that was asked for before has come in", () => {
    const memory = make()
    memory.begun()
    memory.begun()
    memory.forget([id], 100)
    memory.ended()
    memory.remember(record(0), { at: 50, epoch: 1 }, 101)
    assert.isUndefined(memory.recall(id, { at: 101, epoch: 1 }))
  })

  it("believes nothing that it was not told of before it was asked for", () => {
    const memory = make()
    memory.remember(record(0), { at: 100, epoch: 1 }, 101)
    assert.isUndefined(memory.recall(id, { at: 101, epoch: 1 }))
  })

  it("does not believe what was asked for before it forgot, however late the answer", () => {
    const all = make()
    all.forgetTenant(tenantId, 10)
    remember(all, record(0), { at: 5, epoch: 1 }, 20)
    assert.isUndefined(all.recall(id, { at: 20, epoch: 1 }))
    for (const forgotten of [id, userId]) {
      const soon = make()
      soon.begun()
      soon.forget([forgotten], 100)
      soon.forget([UserId.make(1)], 99 + maxPatience)
      soon.remember(record(0), { at: 100, epoch: 1 }, 99 + maxPatience)
      assert.isUndefined(soon.recall(id, { at: 99 + maxPatience, epoch: 1 }))
      const late = make()
      late.begun()
      late.forget([forgotten], 100)
      late.forget([UserId.make(1)], 100 + maxPatience)
      late.remember(record(0), { at: 100, epoch: 1 }, 100 + maxPatience)
      assert.isUndefined(late.recall(id, { at: 100 + maxPatience, epoch: 1 }))
    }
  })

  it("forgets every session of a user, and no one else's", () => {
    const memory = make()
    const [second, others] = [1, 2].map((n) => SessionId.make(`01890000-0000-7000-8000-00000000000${n}`))
    const theirs = { ...record(0, others), user: { ...record(0).user, id: UserId.make(8) } }
    for (const read of [record(0), record(0, second), theirs]) remember(memory, read, { at: 0, epoch: 1 }, 1)
    memory.forget([userId], 2)
    const known = [id, second!, others!].map((id) => memory.recall(id, { at: 3, epoch: 1 }) !== undefined)
    assert.deepStrictEqual(known, [false, false, true])
  })

  it("forgets the sessions of a tenant, and no one else's", () => {
    const memory = make()
    const others = SessionId.make("01890000-0000-7000-8000-000000000002")
    remember(memory, record(0), { at: 0, epoch: 1 }, 1)
    remember(memory, { ...record(0, others), tenantId: TenantId.make(2) }, { at: 0, epoch: 1 }, 1)
    memory.forgetTenant(tenantId, 2)
    assert.isUndefined(memory.recall(id, { at: 3, epoch: 1 }))
    assert.isDefined(memory.recall(others, { at: 3, epoch: 1 }))
  })

  it("keeps the newer of two readings, whichever comes in last", () => {
    const memory = make()
    remember(memory, record(2), { at: 20, epoch: 1 }, 21)
    remember(memory, record(1), { at: 10, epoch: 1 }, 22)
    assert.strictEqual(versionOf(memory.recall(id, { at: 30, epoch: 1 })), 2)
  })

  it("holds no more readings than it may", () => {
    const memory = make(3)
    const ids = [1, 2, 3, 4].map((n) => SessionId.make(`0189000${n}-0000-7000-8000-000000000000`))
    for (const [index, sessionId] of ids.entries()) {
      remember(memory, record(0, sessionId), { at: index, epoch: 1 }, index)
    }
    assert.deepStrictEqual(ids.map((sessionId) => memory.recall(sessionId, { at: 5, epoch: 1 }) !== undefined), [
      false,
      true,
      true,
      true
    ])
  })
})
