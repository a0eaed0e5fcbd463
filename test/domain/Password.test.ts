import { assert, describe, it } from "@effect/vitest"
import { Exit, Option, Redacted, Schema } from "effect"
import { inspect } from "node:util"
import { Password, weakness } from "../../src/domain/Password.ts"

const decode = Schema.decodeUnknownOption(Password)
const password = Schema.decodeUnknownSync(Password)
const isStorable = (text: string) => text.isWellFormed() && !text.includes("\u0000")

const judge = (
  text: string,
  context: { readonly username?: string; readonly minLength?: number; readonly common?: ReadonlyArray<string> } = {}
) =>
  weakness(password(text), {
    username: context.username ?? "ada",
    minLength: context.minLength ?? 8,
    isCommon: (lower) => (context.common ?? []).includes(lower)
  })?.reason

describe("Password", () => {
  it.prop("takes any text but the empty, in NFC", [Schema.String], ([text]) => {
    const decoded = Option.map(decode(text), Redacted.value)
    assert.deepStrictEqual(
      decoded,
      text.length > 0 && isStorable(text) ? Option.some(text.normalize("NFC")) : Option.none()
    )
  }, { arbitrary: { runs: 500 } })

  it("keeps white space, control characters and length to the last character", () => {
    for (const text of [" pass word ", "\t\n\u007f\u202e", " ".repeat(256), "a".repeat(256), "🔑".repeat(256)]) {
      assert.strictEqual(Redacted.value(password(text)), text)
    }
  })

  it("is at most 256 characters, counted after normalising", () => {
    assert.isTrue(Option.isSome(decode("e\u0301".repeat(256))))
    assert.isTrue(Option.isSome(decode("\u03b1\u0313\u0300\u0345".repeat(256))))
    for (const text of ["", "a".repeat(257), "🔑".repeat(257), "e\u0301".repeat(257), "a".repeat(1_000_000)]) {
      assert.isTrue(Option.isNone(decode(text)))
    }
  })

  it("refuses NUL and lone surrogates, which a hash would swallow or merge", () => {
    for (const text of ["password\u0000", "\u0000", "pass\ud800word", "\udfff"]) {
      assert.isTrue(Option.isNone(decode(text)))
    }
  })

  it("shows itself neither when it is printed nor in the complaint about it", () => {
    const secret = "xyzzy-plugh"
    const good = password(secret)
    assert.notInclude(
      inspect(good, { showHidden: true, depth: Infinity }) + JSON.stringify(good) + String(good),
      secret
    )
    for (const bad of [secret.repeat(100), `${secret}\u0000`, `${secret}\ud800`, [secret], { secret }]) {
      const exit = Schema.decodeUnknownExit(Password)(bad)
      assert.isTrue(Exit.isFailure(exit))
      const text = inspect(exit, { depth: Infinity }) + JSON.stringify(exit) +
        (Exit.isFailure(exit) ? String(exit.cause) : "")
      assert.notInclude(text, secret)
    }
  })
})

describe("weakness", () => {
  it("asks for the fewest characters, and counts characters", () => {
    assert.strictEqual(judge("1234567"), "too_short")
    assert.isUndefined(judge("12345678"))
    assert.strictEqual(judge("🔑".repeat(7)), "too_short")
    assert.isUndefined(judge("🔑".repeat(8)))
    assert.strictEqual(judge("e\u0301".repeat(7)), "too_short")
    assert.strictEqual(judge("a long enough one", { minLength: 18 }), "too_short")
    assert.isUndefined(judge("x", { minLength: 1 }))
  })

  it("names the length that was asked for", () => {
    const context = { username: "ada", minLength: 12, isCommon: () => false }
    assert.strictEqual(weakness(password("short"), context)?.minLength, 12)
  })

  it("refuses the username in any case, and not what merely holds it", () => {
    assert.strictEqual(judge("ada.lovelace", { username: "ada.lovelace" }), "is_username")
    assert.strictEqual(judge("ADA.Lovelace", { username: "ada.loveLACE" }), "is_username")
    assert.strictEqual(
      judge("zoe\u0301-zoe\u0301-zoe\u0301", { username: "zo\u00e9-zo\u00e9-ZO\u00c9" }),
      "is_username"
    )
    assert.isUndefined(judge("ada.lovelace1", { username: "ada.lovelace" }))
  })

  it("refuses the commonest in any case", () => {
    const common = ["trustno1", "password"]
    assert.strictEqual(judge("trustno1", { common }), "too_common")
    assert.strictEqual(judge("PassWord", { common }), "too_common")
    assert.isUndefined(judge("trustno1!", { common }))
  })

  it.prop(
    "asks for nothing but length where a password is neither common nor the username",
    [Schema.String],
    ([text]) => {
      if (Option.isNone(decode(text))) return
      const characters = Array.from(text.normalize("NFC")).length
      assert.strictEqual(judge(text, { username: `not ${text}` }), characters < 8 ? "too_short" : undefined)
    }
  )
})
