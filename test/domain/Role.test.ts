// Every claim with every wish, there are not many: what a user gets is what it has, or less where it asks for less.
import { assert, describe, it } from "@effect/vitest"
import { type Claim, DefaultRole, grantRole, maySpeak, ownRole, Role, WhoMaySpeak } from "../../src/domain/Role.ts"

const roles = Role.literals
/** From who may least to who may most. */
const ladder: ReadonlyArray<Role> = ["listener", "guest", "speaker", "host"]
const step = (role: Role): number => ladder.indexOf(role)

const claims: ReadonlyArray<Claim> = [null, ...roles].flatMap((standing) =>
  [false, true].flatMap((isCreator) =>
    DefaultRole.literals.flatMap((defaultRole) =>
      WhoMaySpeak.literals.map((whoMaySpeak): Claim => ({ standing, isCreator, defaultRole, whoMaySpeak }))
    )
  )
)

/** Runs `check` for every claim and wish, and says with which one it failed. */
const always = (check: (claim: Claim, requested: Role | undefined, granted: Role) => boolean): void => {
  for (const claim of claims) {
    for (const requested of [undefined, ...roles]) {
      const granted = grantRole(claim, requested)
      assert.isTrue(check(claim, requested, granted), JSON.stringify({ claim, requested, granted }))
    }
  }
}

/** Nobody decided about the user, it is a guest, and guests speak here. */
const isGuestWhoSpeaks = (claim: Claim): boolean =>
  claim.standing === null && !claim.isCreator && claim.defaultRole === "guest" && claim.whoMaySpeak === "everyone"

describe("Role", () => {
  it("covers every claim once", () => {
    assert.strictEqual(claims.length, 5 * 2 * 3 * 2)
    assert.deepStrictEqual([...ladder].sort(), [...roles].sort())
  })

  it("lets hosts and speakers speak everywhere, guests where everyone may, listeners nowhere", () => {
    const table = roles.map((role) => [role, maySpeak(role, "everyone"), maySpeak(role, "speakers")])
    assert.deepStrictEqual(table, [
      ["host", true, true],
      ["speaker", true, true],
      ["listener", false, false],
      ["guest", true, false]
    ])
  })

  it("gives who asks for nothing what was decided, else host to who made the channel, else the default", () => {
    always((claim, requested, granted) => {
      const own = claim.standing === null ? claim.isCreator ? "host" : claim.defaultRole : claim.standing
      return ownRole(claim) === own && (requested !== undefined || granted === own)
    })
  })

  it("makes a host of nobody but who was made one, or made the channel and was given no other role", () => {
    always((claim, _, granted) =>
      granted !== "host" || claim.standing === "host" || (claim.standing === null && claim.isCreator)
    )
  })

  it("gives nobody more than it has, but a guest who speaks anyway, whom it makes a speaker", () => {
    always((claim, requested, granted) =>
      step(granted) <= step(ownRole(claim)) ||
      (isGuestWhoSpeaks(claim) && granted === "speaker" && step(requested!) >= step("speaker"))
    )
  })

  it("gives nobody a voice who has none", () => {
    always((claim, _, granted) => !maySpeak(granted, claim.whoMaySpeak) || maySpeak(ownRole(claim), claim.whoMaySpeak))
  })

  it("holds who was given a role to it, whatever it asks for", () => {
    always(({ standing }, requested, granted) =>
      standing === null || granted === standing || (requested === granted && step(granted) < step(standing))
    )
  })

  it("gives exactly what was asked for where that is no more than one has, and never more than was asked for", () => {
    always((claim, requested, granted) =>
      requested === undefined ||
      (step(granted) <= step(requested) && (step(requested) > step(ownRole(claim)) || granted === requested))
    )
  })

  it("gives no less for asking for more", () => {
    for (const claim of claims) {
      for (const [index, role] of ladder.entries()) {
        const more = ladder[index + 1]
        if (more === undefined) continue
        assert.isAtLeast(step(grantRole(claim, more)), step(grantRole(claim, role)), JSON.stringify({ claim, role }))
      }
    }
  })

  it("answers a wish that was granted with the same again", () => {
    always((claim, requested, granted) =>
      grantRole(claim, granted) === granted && (requested !== undefined || granted === ownRole(claim))
    )
  })
})
