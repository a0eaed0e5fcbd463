import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Exit, Option, Schema } from "effect"
import { CustomId, Metadata, PictureUrl, Username } from "../../src/domain/User.ts"

const decode = Schema.decodeUnknownOption(Username)
const accepts = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => (input: unknown): boolean =>
  Option.isSome(Schema.decodeUnknownOption(schema)(input))
/** What a decoder says of an input that it refuses. */
const complaint = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => (input: unknown): string => {
  const exit = Schema.decodeUnknownExit(schema)(input)
  return Exit.isSuccess(exit) ? "" : String(exit.cause)
}

const combining = [
  "e\u0301",
  "\u00e9",
  "\u1100\u1161\u11a8",
  "\uac01",
  "\u0958",
  "\u0915\u093c",
  "\u1e9b\u0323",
  "\u212b"
]
const whiteSpace = [" ", "\u00a0", "\u3000", "\u2028", "\u2029", "\u200a", "\ufeff", "\u1680"]
const controls = ["\t", "\n", "\r", "\u0000", "\u0007", "\u001b", "\u007f", "\u0085", "\u009f"]
const bidi = [
  "\u061c",
  "\u200e",
  "\u200f",
  "\u202a",
  "\u202b",
  "\u202c",
  "\u202d",
  "\u202e",
  "\u2066",
  "\u2067",
  "\u2068",
  "\u2069"
]
const surrogates = ["\ud800", "\udbff", "\udc00", "\udfff"]
const plain = ["a", "B", "7", "_", "ß", "م", "界", "😀", "👩\u200d🚀", "\u200b", "ﬁ", "\u00ad"]

/** Mostly letters, and now and then what a hostile or careless person would type. */
const text = Arbitrary.map(
  Arbitrary.array(
    Arbitrary.schema(Schema.Union([
      Schema.Literals([...plain, ...combining]),
      Schema.Literals([...plain, ...combining]),
      Schema.Literals([...plain, ...combining, ...whiteSpace]),
      Schema.Literals([...plain, ...whiteSpace, ...controls, ...bidi, ...surrogates])
    ])),
    { maxLength: 8 }
  ),
  (parts) => parts.join("")
)

/** The rule of the design, without the regular expressions of the code. */
const isUsername = (input: string): boolean => {
  const characters = Array.from(input.normalize("NFC"))
  const isSurrogate = (character: string) =>
    character.length === 1 && surrogates[0]! <= character && character <= "\udfff"
  return characters.length >= 1 && characters.length <= 128 &&
    !characters.some((character) =>
      isSurrogate(character) || controls.includes(character) || bidi.includes(character)
    ) &&
    ![characters[0]!, characters.at(-1)!].some((character) => whiteSpace.includes(character))
}

describe("Username", () => {
  it.prop("takes what the design allows and nothing else, in NFC", [text], ([input]) => {
    assert.deepStrictEqual(decode(input), isUsername(input) ? Option.some(input.normalize("NFC")) : Option.none())
  }, { arbitrary: { runs: 2000 } })

  it.prop("means the same name by every spelling of it", [text], ([input]) => {
    const name = decode(input)
    assert.deepStrictEqual(decode(input.normalize("NFC")), name)
    assert.deepStrictEqual(decode(input.normalize("NFD")), name)
  }, { arbitrary: { runs: 500 } })

  it.prop("leaves a name that was decoded as it is, decoded again or encoded", [text], ([input]) => {
    const name = decode(input)
    if (Option.isNone(name)) return
    assert.deepStrictEqual(decode(name.value), name)
    assert.strictEqual(Schema.encodeSync(Username)(name.value), name.value)
  }, { arbitrary: { runs: 500 } })

  it("refuses control and bidi characters, NUL and lone surrogates in every place", () => {
    for (const character of [...controls, ...bidi, ...surrogates]) {
      for (const input of [character, `${character}ada`, `a${character}da`, `ada${character}`]) {
        assert.isFalse(accepts(Username)(input), JSON.stringify(input))
      }
    }
  })

  it("refuses white space at either end and keeps it within", () => {
    for (const space of whiteSpace) {
      for (const input of [space, `${space}ada`, `ada${space}`]) {
        assert.isFalse(accepts(Username)(input), JSON.stringify(input))
      }
      assert.deepStrictEqual(decode(`a${space}da`), Option.some(`a${space}da`.normalize("NFC")))
    }
  })

  it("counts characters, not code units, and after normalising", () => {
    assert.isFalse(accepts(Username)(""))
    for (const character of ["a", "😀", "e\u0301", "\u1100\u1161\u11a8"]) {
      assert.isTrue(accepts(Username)(character.repeat(128)), character)
      assert.isFalse(accepts(Username)(character.repeat(129)), character)
    }
    // U+0958 is never composed: one character becomes two.
    assert.isTrue(accepts(Username)("\u0958".repeat(64)))
    assert.isFalse(accepts(Username)("\u0958".repeat(65)))
  })

  it("tells names apart by case, width and look", () => {
    const names = ["ada", "Ada", "ａｄａ", "\u0430da", "ada\u200b"].map((name) => Option.getOrThrow(decode(name)))
    assert.strictEqual(new Set(names).size, names.length)
  })

  it("refuses what is not text", () => {
    for (const input of [undefined, null, 7, true, {}, [], ["ada"]]) assert.isFalse(accepts(Username)(input))
  })
})

describe("CustomId", () => {
  it("is 1 to 128 characters, kept as they are", () => {
    assert.isFalse(accepts(CustomId)(""))
    assert.isTrue(accepts(CustomId)("😀".repeat(128)))
    assert.isFalse(accepts(CustomId)("a".repeat(129)))
    assert.strictEqual(Schema.decodeUnknownSync(CustomId)(" e\u0301 "), " e\u0301 ")
    for (const bad of ["a\u0000", "\ud800", "\udc00\ud800"]) assert.isFalse(accepts(CustomId)(bad))
  })
})

describe("PictureUrl", () => {
  it("is an absolute http or https URL, kept as it was written", () => {
    for (
      const url of [
        "https://example.com/a.png",
        "http://example.com",
        "HTTPS://EXAMPLE.COM/A?b=c#d",
        "https://[2001:db8::1]:8443/x",
        "https://例え.jp/写真.png",
        "https://example.com/%00"
      ]
    ) {
      assert.strictEqual(Schema.decodeUnknownSync(PictureUrl)(url), url)
    }
  })

  it("refuses every other scheme, relative addresses, and white space that URL parsers forgive", () => {
    for (
      const url of [
        "",
        "/a.png",
        "//example.com/a.png",
        "example.com/a.png",
        "https:example.com",
        "https:/example.com",
        "https:\\\\example.com",
        "https://",
        "https:///",
        "https://exa mple.com",
        "https://example.com:99999/",
        "javascript:alert(1)",
        "javascript://example.com/%0aalert(1)",
        "java\nscript:alert(1)",
        "data:image/png;base64,AA==",
        "ftp://example.com/a.png",
        "blob:https://example.com/1",
        " https://example.com/",
        "https://example.com/ ",
        "https://example.com/\n",
        "https://example.com/a\tb",
        "ht\ntps://example.com/",
        "https://example.com/\u0000",
        "https://example.com/\u0085",
        "https://example.com/\ud800"
      ]
    ) {
      assert.isFalse(accepts(PictureUrl)(url), JSON.stringify(url))
    }
  })

  it("is at most 2048 long", () => {
    const stem = "https://example.com/"
    assert.isTrue(accepts(PictureUrl)(stem + "a".repeat(2048 - stem.length)))
    assert.isFalse(accepts(PictureUrl)(stem + "a".repeat(2049 - stem.length)))
  })
})

describe("Metadata", () => {
  const nested = (levels: number, open: string, close: string, core: string): unknown =>
    JSON.parse(open.repeat(levels) + core + close.repeat(levels))

  it.prop("takes every small JSON object, as the very object that was parsed", [
    Schema.Record(Schema.String, Schema.Json)
  ], (
    [object]
  ) => {
    const encoded = JSON.stringify(object)
    // What parsing makes of it, without the shared or exotic values that a generator may build.
    const parsed = JSON.parse(encoded) as Record<string, unknown>
    const storable = !/\\u0000|\\ud[89a-f]/.test(encoded.replaceAll("\\\\", ""))
    const decoded = Schema.decodeUnknownOption(Metadata)(parsed)
    assert.strictEqual(Option.isSome(decoded), storable && new TextEncoder().encode(encoded).length <= 16_384)
    if (Option.isSome(decoded)) assert.strictEqual(decoded.value, parsed)
  }, { arbitrary: { runs: 300 } })

  it("is an object: no list, no text, no number, no null", () => {
    for (const input of [null, undefined, "", "{}", 7, true, [], [{}]]) assert.isFalse(accepts(Metadata)(input))
    assert.isTrue(accepts(Metadata)({}))
  })

  it("is at most 16 KiB of JSON, counted in bytes", () => {
    const frame = JSON.stringify({ k: "" }).length
    const room = 16 * 1024 - frame
    assert.isTrue(accepts(Metadata)({ k: "a".repeat(room) }))
    assert.isFalse(accepts(Metadata)({ k: "a".repeat(room + 1) }))
    assert.isTrue(accepts(Metadata)({ k: "é".repeat(room / 2) }))
    assert.isFalse(accepts(Metadata)({ k: `${"é".repeat(room / 2)}a` }))
    // An escape costs what it takes to write it.
    assert.isTrue(accepts(Metadata)({ k: "\n".repeat(room / 2) }))
    assert.isFalse(accepts(Metadata)({ k: "\n".repeat(room / 2 + 1) }))
    assert.isFalse(accepts(Metadata)(Object.fromEntries(Array.from({ length: 4000 }, (_, index) => [index, 0]))))
  })

  it("refuses ten thousand levels as it refuses sixty-five, without a stack overflow", () => {
    for (const [open, close] of [['{"a":', "}"], ["[", "]"]] as const) {
      const within = (levels: number) => ({ a: nested(levels - 1, open, close, "1") })
      assert.isTrue(accepts(Metadata)(within(64)), open)
      for (const levels of [65, 10_000]) assert.include(complaint(Metadata)(within(levels)), "64 levels")
    }
    const mixed = { a: nested(5000, '[{"a":', "}]", "1") }
    assert.include(complaint(Metadata)(mixed), "64 levels")
  })

  it("keeps __proto__, constructor and toString as data", () => {
    const source =
      '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"toString":1,"nested":[{"__proto__":null}]}'
    const metadata = Schema.decodeUnknownSync(Metadata)(JSON.parse(source))
    assert.strictEqual(JSON.stringify(metadata), source)
    assert.isTrue(Object.hasOwn(metadata, "__proto__"))
    assert.strictEqual(Object.getPrototypeOf(metadata), Object.prototype)
    assert.isUndefined(({} as { admin?: boolean }).admin)
    assert.strictEqual(JSON.stringify(Schema.encodeSync(Metadata)(metadata)), source)
  })

  it("looks for hostile text beneath __proto__ too", () => {
    assert.isFalse(accepts(Metadata)(JSON.parse('{"__proto__":{"a":"\\u0000"}}')))
    assert.isFalse(accepts(Metadata)(JSON.parse('{"__proto__":{"\\ud800":1}}')))
    assert.isFalse(accepts(Metadata)({ a: nested(10_000, '{"__proto__":', "}", "1") }))
  })

  it("refuses NUL and lone surrogates in keys and values at any depth", () => {
    for (
      const source of [
        '{"a":"\\u0000"}',
        '{"\\u0000":1}',
        '{"a":[{"b\\u0000c":1}]}',
        '{"a":[[["x","\\u0000"]]]}',
        '{"a":"\\ud800"}',
        '{"\\udc00":1}',
        '{"a":{"b":{"\\ud83d":"x"}}}'
      ]
    ) {
      assert.include(complaint(Metadata)(JSON.parse(source)), "NUL or lone surrogates", source)
    }
    assert.isTrue(accepts(Metadata)(JSON.parse('{"\\ud83d\\ude00":"\\ud83d\\ude00"}')))
  })

  it("refuses numbers that JSON can write and nobody can read back", () => {
    assert.isFalse(accepts(Metadata)(JSON.parse('{"a":[1e999]}')))
    assert.isTrue(accepts(Metadata)(JSON.parse('{"a":[1e308,-0,5e-324]}')))
  })
})
