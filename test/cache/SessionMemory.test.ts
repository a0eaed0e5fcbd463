// The memory against the history of a session that this instance, and others, change while it is being read. Whatever
// the order, what is recalled was true less than a second ago, and this instance changed nothing since.
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { believedFor, SessionMemory } from "../../src/cache/SessionMemory.ts"
import { AppId, SessionId, TenantId, UserId } from "../../src/domain/Ids.ts"
import type { SessionRecord } from "../../src/domain/Session.ts"

const id = SessionId.make("01890000-0000-7000-8000-000000000000")
const userId = UserId.make(7)

/** `version` is what changes: the user's metadata. */
const record = (version: number, sessionId = id): SessionRecord => ({
  id: sessionId,
  tenantId: TenantId.make(1),
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
  Schema.Struct({ do: Schema.Literal("wait"), millis: Schema.Literals([1, 100, 400, 749, 750]) }),
  Schema.Struct({ do: Schema.Literal("ask") }),
  Schema.Struct({ do: Schema.Literal("read") }),
  Schema.Struct({ do: Schema.Literal("answer") }),
  Schema.Struct({ do: Schema.Literal("changeHere"), by: Schema.Literals(["session", "user", "tenant"]) }),
  Schema.Struct({ do: Schema.Literal("changeThere") }),
  Schema.Struct({ do: Schema.Literal("deaf") }),
  Schema.Struct({ do: Schema.Literal("gap") })
])

const steps = Arbitrary.array(Arbitrary.schema(Step), { minLength: 3, maxLength: 40 })

describe("SessionMemory", () => {
  it.prop(
    "recalls nothing that was not true within the second, or that this instance has changed",
    [steps],
    ([steps]) => {
      const memory = new SessionMemory(10)
      let now = 0
      let epoch = 1
      let hearing = true
      /** When each version was replaced, and by whom. */
      const replaced: Array<{ readonly at: number; readonly here: boolean }> = []
      /** The first version that a reading may have which others may have changed unheard. */
      let unheardSince = 0
      const readings: Array<{ at: number; epoch: number | undefined; version: number | undefined }> = []
      const moment = () => ({ at: now, epoch: hearing ? epoch : undefined })
      for (const step of steps) {
        switch (step.do) {
          case "wait":
            now += step.millis
            break
          case "ask":
            readings.push({ ...moment(), version: undefined })
            break
          case "read":
            for (const reading of readings) reading.version ??= replaced.length
            break
          case "answer": {
            const reading = readings.shift()
            if (reading !== undefined) memory.remember(record(reading.version ?? replaced.length), reading)
            break
          }
          case "changeHere":
            replaced.push({ at: now, here: true })
            if (step.by === "tenant") memory.forgetAll(now)
            else memory.forget([step.by === "user" ? userId : id], now)
            break
          case "changeThere":
            replaced.push({ at: now, here: false })
            break
          case "deaf":
            hearing = false
            break
          case "gap":
            hearing = true
            epoch++
            unheardSince = replaced.length
        }
        const version = versionOf(memory.recall(id, moment()))
        if (version === undefined) continue
        assert.isTrue(hearing)
        assert.isAtLeast(version, unheardSince)
        assert.isFalse(replaced.slice(version).some(({ here }) => here))
        const end = replaced[version]
        if (end !== undefined) assert.isBelow(now - end.at, 1000)
      }
    },
    { arbitrary: { runs: 3000 } }
  )

  it("takes from what is left of each period the time that has gone by", () => {
    const memory = new SessionMemory(10)
    memory.remember(record(0), { at: 1000, epoch: 1 })
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

  it("believes a reading for less than a second", () => {
    assert.isBelow(believedFor, 1000)
    const memory = new SessionMemory(10)
    memory.remember(record(0), { at: 0, epoch: 1 })
    assert.isDefined(memory.recall(id, { at: believedFor - 1, epoch: 1 }))
    assert.isUndefined(memory.recall(id, { at: believedFor, epoch: 1 }))
  })

  it("does not believe what was asked for before it forgot, however late the answer", () => {
    const memory = new SessionMemory(10)
    memory.forgetAll(10)
    memory.remember(record(0), { at: 5, epoch: 1 })
    assert.isUndefined(memory.recall(id, { at: 20, epoch: 1 }))
    memory.forget([id], 100)
    memory.forget([UserId.make(1)], 100 + believedFor - 1)
    memory.remember(record(0), { at: 99, epoch: 1 })
    assert.isUndefined(memory.recall(id, { at: 100 + believedFor - 2, epoch: 1 }))
  })

  it("keeps the newer of two readings, whichever comes in last", () => {
    const memory = new SessionMemory(10)
    memory.remember(record(2), { at: 20, epoch: 1 })
    memory.remember(record(1), { at: 10, epoch: 1 })
    assert.strictEqual(versionOf(memory.recall(id, { at: 30, epoch: 1 })), 2)
  })

  it("holds no more readings than it may", () => {
    const memory = new SessionMemory(3)
    const ids = [1, 2, 3, 4].map((n) => SessionId.make(`0189000${n}-0000-7000-8000-000000000000`))
    for (const [index, sessionId] of ids.entries()) memory.remember(record(0, sessionId), { at: index, epoch: 1 })
    assert.deepStrictEqual(ids.map((sessionId) => memory.recall(sessionId, { at: 5, epoch: 1 }) !== undefined), [
      false,
      true,
      true,
      true
    ])
  })
})
