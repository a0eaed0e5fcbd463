// Whatever is put in, taken, lost and given back: in the end every connection's last state was written and told to all of
// its channels, and no relay came before what was changed before it.
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import type { Member } from "../../src/domain/Channel.ts"
import type { ChannelId, UserId } from "../../src/domain/Ids.ts"
import type { RemoteRelay } from "../../src/services/PresenceStore.ts"
import { type Batch, Outbox } from "../../src/ws/Outbox.ts"

const batchSize = 256
const batchCharacters = 128 * 1024
const maxCharacters = 16 * 1024 * 1024

const channel = (n: number) => n as ChannelId

const member = (connectionId: string, channelId: ChannelId, speaking = false): Member => ({
  connectionId,
  channelId,
  user: { id: 1 as UserId, username: "ann", customId: null, pictureUrl: null, metadata: null },
  role: "guest",
  mutedByItself: false,
  mutedBy: null,
  speaking
})

const relay = (text: string): RemoteRelay => ({
  nodeId: "n",
  channelId: channel(1),
  from: "a",
  to: "b",
  text
})

const texts = (batch: Batch) => batch.relays.map(({ text }) => text)

const Step = Schema.Union([
  Schema.TaggedStruct("Change", {
    connection: Schema.Literals(["a", "b", "c"]),
    channel: Schema.Literals([1, 2, 3]),
    leaves: Schema.Boolean
  }),
  Schema.TaggedStruct("Relay", { size: Schema.Literals([1, 10, 100_000]) }),
  Schema.TaggedStruct("Write", { fails: Schema.Boolean }),
  // What is written meanwhile is neither in the outbox nor written yet.
  Schema.TaggedStruct("Take", {}),
  Schema.TaggedStruct("Done", { fails: Schema.Boolean })
])

describe("Outbox", () => {
  it.effect.prop(
    "writes the last state of each connection, tells each of its channels, and keeps relays in order, whatever fails",
    [Arbitrary.array(Arbitrary.schema(Step), { maxLength: 40 })],
    ([steps]) =>
      Effect.sync(() => {
        const outbox = new Outbox()
        let taken: Batch | undefined
        let number = 0
        const last = new Map<string, Member | undefined>()
        /** Channels that must still hear of a connection. */
        const owed = new Map<string, Set<ChannelId>>()
        const written = new Map<string, Member | undefined>()
        const sent: Array<string> = []
        const arrived: Array<string> = []

        const done = (fails: boolean) => {
          const batch = taken
          if (batch === undefined) return
          taken = undefined
          if (fails) {
            assert.strictEqual(outbox.giveBack(batch), 0)
            return
          }
          for (const { channelIds, connectionId, member } of batch.changes) {
            written.set(connectionId, member)
            for (const channelId of channelIds) owed.get(connectionId)?.delete(channelId)
          }
          arrived.push(...texts(batch))
        }

        for (const step of steps) {
          switch (step._tag) {
            case "Change": {
              const channelId = channel(step.channel)
              const state = step.leaves ? undefined : member(step.connection, channelId, number++ % 2 === 0)
              outbox.changed(step.connection, channelId, state)
              last.set(step.connection, state)
              owed.set(step.connection, new Set(owed.get(step.connection)).add(channelId))
              break
            }
            case "Relay": {
              const text = `${number++}`.padEnd(step.size, " ")
              assert.strictEqual(outbox.relay(relay(text)), 0)
              sent.push(text)
              break
            }
            case "Write":
              if (taken === undefined) taken = outbox.take()
              done(step.fails)
              break
            case "Take":
              if (taken === undefined) taken = outbox.take()
              break
            case "Done":
              done(step.fails)
          }
        }
        done(true)
        for (let turn = 0; !outbox.isEmpty; turn++) {
          assert.isBelow(turn, 100)
          taken = outbox.take()
          done(false)
        }
        assert.deepStrictEqual(written, last)
        for (const channels of owed.values()) assert.strictEqual(channels.size, 0)
        assert.deepStrictEqual(arrived, sent)
        const nothing = outbox.take()
        assert.deepStrictEqual(nothing, { changes: [], relays: [] })
      }),
    { arbitrary: { runs: 1000 } }
  )

  it("lets a newer state stand when an older one is given back, for the channels of both", () => {
    const outbox = new Outbox()
    outbox.changed("a", channel(1), member("a", channel(1)))
    const batch = outbox.take()
    outbox.changed("a", channel(2), member("a", channel(2)))
    outbox.giveBack(batch)
    assert.deepStrictEqual(outbox.take().changes, [
      { connectionId: "a", member: member("a", channel(2)), channelIds: new Set([channel(1), channel(2)]) }
    ])
  })

  it("sends no relay before all that changed before it is written, in however many batches", () => {
    const outbox = new Outbox()
    for (let n = 0; n < 2 * batchSize + 1; n++) outbox.changed(`c${n}`, channel(1), undefined)
    outbox.relay(relay("after"))
    const batches = [outbox.take(), outbox.take(), outbox.take()]
    assert.deepStrictEqual(batches.map(({ changes }) => changes.length), [batchSize, batchSize, 1])
    assert.deepStrictEqual(batches.map(texts), [[], [], ["after"]])
  })

  it("sends relays that were given back before newer ones, and after the changes that were", () => {
    const outbox = new Outbox()
    outbox.relay(relay("first"))
    const lost = outbox.take()
    outbox.relay(relay("second"))
    for (let n = 0; n < batchSize + 1; n++) outbox.changed(`c${n}`, channel(1), undefined)
    outbox.giveBack(lost)
    assert.deepStrictEqual(texts(outbox.take()), [])
    assert.deepStrictEqual(texts(outbox.take()), ["first", "second"])
  })

  it("takes so many characters of relays at once, and of a longer one that one", () => {
    const outbox = new Outbox()
    const part = "x".repeat(batchCharacters / 4)
    for (let n = 0; n < 6; n++) outbox.relay(relay(part))
    outbox.relay(relay("x".repeat(2 * batchCharacters)))
    outbox.relay(relay("last"))
    assert.deepStrictEqual([4, 3, 1, 0].map(() => outbox.take().relays.length), [4, 3, 1, 0])
  })

  it("lets senders take turns, each in its own order, and drops from who has most waiting", () => {
    const outbox = new Outbox()
    const long = "x".repeat(batchCharacters / 2)
    for (let n = 0; n < 2 * maxCharacters / batchCharacters; n++) outbox.relay({ ...relay(long), from: "flood" })
    assert.strictEqual(outbox.relay({ ...relay("first"), from: "other" }), 1)
    assert.strictEqual(outbox.relay({ ...relay("second"), from: "other" }), 0)
    const order = [outbox.take(), outbox.take()].flatMap(({ relays }) => relays.map(({ from }) => from))
    assert.deepStrictEqual(order.slice(0, 4), ["flood", "other", "flood", "other"])
    let left = 0
    while (!outbox.isEmpty) left += outbox.take().relays.length
    assert.isAbove(left, 0)
  })

  it("holds so many characters of relays and no more: the oldest go, and are counted, given back ones too", () => {
    const outbox = new Outbox()
    const megabyte = "x".repeat(1024 * 1024)
    const numbered = (n: number) => `${n}${megabyte}`.slice(0, megabyte.length)
    for (let n = 0; n < maxCharacters / megabyte.length; n++) assert.strictEqual(outbox.relay(relay(numbered(n))), 0)
    assert.strictEqual(outbox.relay(relay("one more")), 1)
    const batch = outbox.take()
    assert.deepStrictEqual(texts(batch).map((text) => text[0]), ["1"])
    assert.strictEqual(outbox.relay(relay(megabyte)), 0)
    assert.strictEqual(outbox.giveBack(batch), 1)
    assert.strictEqual(texts(outbox.take())[0]![0], "2")
    let left = 0
    while (!outbox.isEmpty) left += outbox.take().relays.reduce((sum, { text }) => sum + text.length, 0)
    assert.isAtMost(left, maxCharacters)
    for (let n = 0; n < maxCharacters / megabyte.length; n++) assert.strictEqual(outbox.relay(relay(numbered(n))), 0)
  })

  it("holds one change of a connection, however often it changes", () => {
    const outbox = new Outbox()
    for (let n = 0; n < 10_000; n++) outbox.changed("a", channel(1), member("a", channel(1), n % 2 === 0))
    assert.strictEqual(outbox.take().changes.length, 1)
    assert.isTrue(outbox.isEmpty)
  })
})
