// What instances tell each other: every text comes out as it went in, or not at all, and nothing that is heard does harm.
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import type { ChannelId } from "../../src/domain/Ids.ts"
import { RoomNotice } from "../../src/domain/RoomNotice.ts"
import { Assembly, idsPerNotice, membersChanged, relayParts } from "../../src/postgres/RoomNotices.ts"
import type { PresenceChange, RemoteRelay } from "../../src/services/PresenceStore.ts"

const uuid = (n: number) => `${String(n).padStart(8, "0")}-0000-4000-8000-000000000000`
const [here, there, elsewhere] = [uuid(1), uuid(2), uuid(3)]
const channelId = 2 ** 53 - 1 as ChannelId

/** A relay as the other instance sends it to this one. */
const relayOf = (value: unknown): RemoteRelay => ({
  nodeId: here,
  channelId,
  from: uuid(10),
  to: uuid(11),
  text: JSON.stringify(value)
})

const hear = (assembly: Assembly, payloads: ReadonlyArray<string>): ReadonlyArray<RoomNotice> =>
  payloads.flatMap((payload) => assembly.take(payload) ?? [])

const valueOf = (notice: RoomNotice | undefined): unknown => {
  assert.strictEqual(notice?._tag, "Relay")
  const { channelId: channel, from, text, to } = notice as Extract<RoomNotice, { readonly _tag: "Relay" }>
  assert.deepStrictEqual({ channel, from, to }, { channel: channelId, from: uuid(10), to: uuid(11) })
  return JSON.parse(text)
}

const bytes = (text: string) => new TextEncoder().encode(text).length

const awkward = [
  "a",
  "\u0000",
  "\u007f",
  "\u0080",
  "ß",
  "界",
  "\u2028",
  "\ud800",
  "\udfff",
  "😀",
  "\\",
  "\\u0041",
  '"',
  "\r\n",
  " ",
  "'"
]
const text = Arbitrary.map(
  Arbitrary.array(
    Arbitrary.schema(Schema.Union([
      Schema.String,
      Schema.Struct({
        of: Schema.Literals(awkward),
        times: Schema.Literals([1, 2, 1000, 1249, 1250, 3750, 7499, 7500, 10_000])
      })
    ])),
    { maxLength: 8 }
  ),
  (parts) => parts.map((part) => typeof part === "string" ? part : part.of.repeat(part.times)).join("").slice(0, 60_000)
)

describe("RoomNotices", () => {
  it.effect.prop("carries any text, in parts that PostgreSQL takes", [text], ([value]) =>
    Effect.sync(() => {
      const parts = relayParts(relayOf(value), there, 7)
      for (const part of parts) assert.isBelow(bytes(part), 8000)
      assert.strictEqual(
        new Set(parts).size,
        parts.length,
        "PostgreSQL drops what it was told in the transaction before"
      )
      const heard = hear(new Assembly(here), parts)
      assert.strictEqual(heard.length, 1)
      assert.strictEqual(valueOf(heard[0]), value)
    }), { arbitrary: { runs: 300 } })

  it("tells equal relays apart, so that none is dropped for another", () => {
    const relay = relayOf("x")
    assert.notDeepEqual(relayParts(relay, there, 1), relayParts(relay, there, 2))
    assert.notDeepEqual(relayParts(relay, there, 1), relayParts(relay, elsewhere, 1))
  })

  it.effect.prop(
    "gives nothing of a relay of which a part is missing, and the next one whole",
    [Arbitrary.schema(Schema.Struct({
      length: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60_000 })),
      missing: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 7 })),
      sameSender: Schema.Boolean
    }))],
    ([{ length, missing, sameSender }]) =>
      Effect.sync(() => {
        const assembly = new Assembly(here)
        const parts = relayParts(relayOf("x".repeat(length)), there, 1)
        parts.splice(missing % parts.length, 1)
        assert.deepStrictEqual(hear(assembly, parts), [])
        const next = hear(assembly, relayParts(relayOf("y".repeat(20_000)), sameSender ? there : elsewhere, 2))
        assert.deepStrictEqual(next.map(valueOf), ["y".repeat(20_000)])
      })
  )

  it("gives nothing of a relay whose beginning came before a gap", () => {
    const assembly = new Assembly(here)
    const [first, ...rest] = relayParts(relayOf("x".repeat(20_000)), there, 1)
    assembly.take(first!)
    assembly.reset()
    assert.deepStrictEqual(hear(assembly, rest), [])
    assert.strictEqual(hear(assembly, relayParts(relayOf("y"), there, 2)).length, 1)
  })

  it("puts no part of one relay into another, whoever they are from", () => {
    const assembly = new Assembly(here)
    const ours = relayParts(relayOf("x".repeat(15_000)), there, 1)
    const theirs = relayParts(relayOf("y".repeat(15_000)), elsewhere, 1)
    assert.deepStrictEqual(hear(assembly, [ours[0]!, theirs[1]!, ours[2]!]), [])
    assert.deepStrictEqual(hear(assembly, [ours[0]!, ours[2]!, ours[1]!]), [])
    assert.deepStrictEqual(hear(assembly, [...ours, ...theirs]).map(valueOf), ["x".repeat(15_000), "y".repeat(15_000)])
    assert.deepStrictEqual(hear(assembly, theirs.slice(-1)), [], "the last part a second time")
  })

  it("hears no relay that is for another instance, whose parts may come between", () => {
    const assembly = new Assembly(here)
    const ours = relayParts(relayOf("x".repeat(15_000)), there, 1)
    const foreign = relayParts({ ...relayOf("y".repeat(15_000)), nodeId: elsewhere }, there, 2)
    assert.deepStrictEqual(hear(assembly, foreign), [])
    const mixed = ours.flatMap((part, index) => [part, foreign[index]!])
    assert.deepStrictEqual(hear(assembly, mixed).map(valueOf), ["x".repeat(15_000)])
  })

  it("hears of members that others wrote or removed, and not what this instance wrote itself", () => {
    const assembly = new Assembly(here)
    const told = RoomNotice.MembersChanged({ channelId, connectionIds: [uuid(10), uuid(11)] })
    for (const node of [there, "*"]) {
      assert.deepStrictEqual(assembly.take(`members ${node} ${channelId} ${uuid(10)},${uuid(11)}`), told)
    }
    assert.isUndefined(assembly.take(`members ${here} ${channelId} ${uuid(10)}`))
  })

  it("hears of decisions, about a user or about the channel, its own too", () => {
    const assembly = new Assembly(here)
    assert.deepStrictEqual(
      assembly.take("decided 7 9"),
      RoomNotice.DecisionsChanged({
        channelId: 7 as ChannelId,
        userId: 9 as never
      })
    )
    assert.deepStrictEqual(
      assembly.take("decided 7 *"),
      RoomNotice.DecisionsChanged({
        channelId: 7 as ChannelId,
        userId: null
      })
    )
  })

  it.effect.prop(
    "names every changed connection once in each of its channels, in notices that PostgreSQL takes",
    [Arbitrary.array(
      Arbitrary.schema(Schema.Struct({
        channels: Schema.Array(Schema.Literals([1, 2, 2 ** 40])).check(Schema.isMaxLength(3)),
        times: Schema.Literals([1, 1, 149, 150, 151, 301])
      })),
      { maxLength: 5 }
    )],
    ([groups]) =>
      Effect.sync(() => {
        let made = 0
        const changes = groups.flatMap(({ channels, times }) =>
          Array.from({ length: times }, (): PresenceChange => ({
            connectionId: uuid(++made),
            member: undefined,
            channelIds: new Set(channels as unknown as ReadonlyArray<ChannelId>)
          }))
        )
        const notices = membersChanged(there, changes)
        const named: Array<string> = []
        for (const notice of notices) {
          assert.isBelow(bytes(notice), 8000)
          const heard = new Assembly(here).take(notice)
          assert.strictEqual(heard?._tag, "MembersChanged")
          const { channelId, connectionIds } = heard as Extract<RoomNotice, { readonly _tag: "MembersChanged" }>
          assert.isAtMost(connectionIds.length, idsPerNotice)
          named.push(...connectionIds.map((id) => `${channelId} ${id}`))
        }
        const expected = changes.flatMap(({ channelIds, connectionId }) =>
          [...channelIds].map((channelId) => `${channelId} ${connectionId}`)
        )
        assert.deepStrictEqual(named.sort(), expected.sort())
        assert.strictEqual(new Set(notices).size, notices.length)
      })
  )

  const real = [
    ...relayParts(relayOf("x".repeat(15_000)), there, 1),
    `members ${there} ${channelId} ${uuid(10)},${uuid(11)}`,
    "decided 7 *",
    "decided 7 9",
    "beat"
  ]
  const Bend = Schema.Struct({
    of: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: real.length - 1 })),
    at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 160 })),
    drop: Schema.Literals([0, 1, 2, 36, 8000]),
    put: Schema.Union([Schema.String, Schema.Literals(["", " ", ",", "*", "/", "0", "-1", "1e9", "\0", "\n", here])])
  })
  it.effect.prop(
    "takes garbage for nothing, or for a notice that names a channel and connections",
    [Arbitrary.array(Arbitrary.schema(Bend), { maxLength: 20 })],
    ([bends]) =>
      Effect.sync(() => {
        const assembly = new Assembly(here)
        for (const { at, drop, of, put } of bends) {
          const payload = real[of]!
          const notice = assembly.take(payload.slice(0, at) + put + payload.slice(at + drop))
          if (notice === undefined) continue
          if (notice._tag !== "Gap") assert.isTrue(Number.isSafeInteger(notice.channelId), JSON.stringify(notice))
          // They are asked for by id: one that is none would fail the question for all of them, again and again.
          if (notice._tag === "MembersChanged") {
            for (const id of notice.connectionIds) assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i)
          }
        }
        assert.strictEqual(hear(assembly, relayParts(relayOf("y"), there, 99)).length, 1)
      }),
    { arbitrary: { runs: 1000 } }
  )

  it("takes no members for changed that are none", () => {
    const assembly = new Assembly(here)
    for (const ids of ["", ",", "x", `${uuid(10)},`, `${uuid(10)}x`, "*"]) {
      assert.isUndefined(assembly.take(`members ${there} 7 ${ids}`), ids)
    }
    for (
      const payload of [
        "",
        " ",
        "members",
        "members ",
        "decided",
        "decided x y",
        "decided 7",
        "relay",
        `relay ${here} `
      ]
    ) {
      assert.isUndefined(assembly.take(payload), payload)
    }
  })
})
