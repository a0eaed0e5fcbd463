// When what is written reaches the connection: together at the end of a turn, and at once where it is much.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeTurnWrites } from "../../src/server/TurnWrites.ts"
import { recorder, turn } from "../support/Recorder.ts"

describe("TurnWrites", () => {
  it.live("lets what a connection is told in a turn leave by one write, in order, when the turn ends", () =>
    Effect.gen(function* () {
      const { write } = makeTurnWrites()
      const [ann, bob] = [recorder(), recorder()]
      for (const text of ["a", "b", "c"]) {
        write(ann.duplex, Buffer.from(text))
        write(bob.duplex, Buffer.from(text.toUpperCase()))
      }
      assert.deepStrictEqual([ann.writes, bob.writes], [[], []])
      yield* turn
      assert.deepStrictEqual([ann.writes, bob.writes], [["abc"], ["ABC"]])
      write(ann.duplex, Buffer.from("d"))
      yield* turn
      assert.deepStrictEqual(ann.writes, ["abc", "d"])
    }))

  it.live("holds back neither much for one connection nor many connections", () =>
    Effect.gen(function* () {
      const { write } = makeTurnWrites()
      const { duplex, writes } = recorder()
      write(duplex, Buffer.from("first "))
      write(duplex, Buffer.alloc(16 * 1024, "x"))
      assert.deepStrictEqual(writes, [`first ${"x".repeat(16 * 1024)}`])
      write(duplex, Buffer.from("last"))
      const others = Array.from({ length: 200 }, recorder)
      for (const other of others) write(other.duplex, Buffer.from("hello"))
      const waiting = others.filter((other) => other.writes.length === 0).length
      assert.isBelow(waiting, 64)
      yield* turn
      assert.isTrue(others.every((other) => other.writes.join() === "hello"))
      assert.strictEqual(writes.at(-1), "last")
    }))

  it.live("lets answers to handshakes leave together while each turn brings another, some turns late at the most", () =>
    Effect.gen(function* () {
      const { holdForHandshake, write } = makeTurnWrites()
      const opened: Array<ReturnType<typeof recorder>> = []
      const open = () => {
        const next = recorder()
        opened.push(next)
        holdForHandshake(next.duplex)
        next.duplex.write("101 ")
        write(next.duplex, Buffer.from("ready"))
      }
      const answered = () => opened.filter(({ writes }) => writes.join() === "101 ready").length
      const atTheEnd: Array<number> = []
      for (let count = 0; count < 4; count++) {
        open()
        yield* turn
        atTheEnd.push(answered())
      }
      assert.deepStrictEqual(atTheEnd, [0, 0, 0, 4])
      open()
      yield* turn
      assert.strictEqual(answered(), 4)
      yield* turn
      assert.strictEqual(answered(), 5)
      for (let count = 0; count < 100; count++) open()
      assert.isAbove(answered(), 5)
      yield* turn
      yield* turn
      assert.strictEqual(answered(), 105)
    }))

  it.live("does not mind a connection that goes or ends within the turn", () =>
    Effect.gen(function* () {
      const { write } = makeTurnWrites()
      const [gone, ended, other] = [recorder(), recorder(), recorder()]
      for (const { duplex } of [gone, ended, other]) write(duplex, Buffer.from("hello"))
      gone.duplex.destroy()
      ended.duplex.end()
      yield* turn
      assert.deepStrictEqual([gone.writes, ended.writes, other.writes], [[], ["hello"], ["hello"]])
    }))
})
