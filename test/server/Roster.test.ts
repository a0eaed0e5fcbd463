// The roster does what a set does, in another order.
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { type Member, Roster } from "../../src/server/Roster.ts"

const Step = Schema.Struct({ do: Schema.Literals(["add", "remove"]), who: Schema.Literals([0, 1, 2, 3]) })

describe("Roster", () => {
  it.prop(
    "has whoever came and did not go",
    [Arbitrary.array(Arbitrary.schema(Step), { minLength: 15, maxLength: 40 })],
    ([steps]) => {
      const members: ReadonlyArray<Member> = [0, 1, 2, 3].map(() => ({ place: -1 }))
      const roster = new Roster()
      const there = new Set<Member>()
      for (const step of steps) {
        const member = members[step.who]!
        roster[step.do](member)
        if (step.do === "add") there.add(member)
        else there.delete(member)
        const found = roster.all()
        assert.deepStrictEqual(
          members.filter((each) => found.includes(each)),
          members.filter((each) => there.has(each))
        )
        assert.lengthOf(found, there.size)
      }
    }
  )
})
