// A file of users as rows: what is in them, where they begin, and that no broken row costs another.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Stream } from "effect"
import { readFileSync } from "node:fs"
import { type Format, rows } from "../../src/cli/Rows.ts"

const encoder = new TextEncoder()

/** Every row as its line and what it says, or why it says nothing; read in pieces of `size` bytes. */
const read = (format: Format, text: string | Uint8Array, size = 7) => {
  const bytes = typeof text === "string" ? encoder.encode(text) : text
  const pieces = Array.from(
    { length: Math.ceil(bytes.length / size) },
    (_, n) => bytes.slice(n * size, (n + 1) * size)
  )
  return rows(format, Stream.fromIterable(pieces)).pipe(
    Stream.map(({ fields, line }) => [line, Result.getOrElse(fields, (reason) => reason)]),
    Stream.runCollect
  )
}

const csv = (text: string | Uint8Array, size?: number) => read("csv", text, size)
const ndjson = (text: string | Uint8Array, size?: number) => read("ndjson", text, size)

describe("csv", () => {
  it.effect("reads cells by their names; an empty one is an absent field", () =>
    Effect.gen(function* () {
      const text =
        'custom_id,username,metadata,password_hash\n7,ada,"{""a"":[1]}","$argon2id$v=19$m=64,t=1,p=1$x$y"\n,bob,,\n'
      assert.deepEqual(yield* csv(text), [
        [2, {
          custom_id: "7",
          username: "ada",
          metadata: { a: [1] },
          password_hash: "$argon2id$v=19$m=64,t=1,p=1$x$y"
        }],
        [3, { username: "bob" }]
      ])
    }))

  it.effect("takes a byte order mark, CRLF, blank lines and a last line without an end", () =>
    Effect.gen(function* () {
      assert.deepEqual(yield* csv("\ufeffusername,custom_id\r\nada,1\r\n\r\nbob,2"), [
        [2, { username: "ada", custom_id: "1" }],
        [4, { username: "bob", custom_id: "2" }]
      ])
    }))

  it.effect("counts a row on several lines from the first, and keeps its line breaks", () =>
    Effect.gen(function* () {
      assert.deepEqual(yield* csv('username,custom_id\n"a\r\n\nb",1\nbob,2\n'), [
        [2, { username: "a\r\n\nb", custom_id: "1" }],
        [5, { username: "bob", custom_id: "2" }]
      ])
    }))

  it.effect("reads the same whatever the pieces are that the file comes in", () =>
    Effect.gen(function* () {
      const text = '\ufeffusername,metadata\r\n"é\n""x""","{""ü"":\r\n1}"\r\nb"c,\r\nbob,\r\n'
      const whole = yield* csv(text, 1000)
      assert.lengthOf(whole, 3)
      for (let size = 1; size < 12; size++) assert.deepEqual(yield* csv(text, size), whole)
    }))

  it.effect("loses one row to each that is broken", () =>
    Effect.gen(function* () {
      const text = [
        "username,custom_id,metadata",
        "ada,1,",
        'b"ob,2,',
        "carl,3",
        "dora,4,{",
        '"eve"x,5,',
        '"fred,6,',
        "gina,7,"
      ].join("\n")
      assert.deepEqual(yield* csv(text), [
        [2, { username: "ada", custom_id: "1" }],
        [3, "Unexpected quote in an unquoted field"],
        [4, "Expected 3 cells, got 2"],
        [5, "metadata: Expected JSON"],
        [6, "Expected a delimiter or line break after a closing quote"],
        [7, "Expected a closing quote"],
        [8, { username: "gina", custom_id: "7" }]
      ])
    }))

  it.effect("loses the line that is no UTF-8 or too long, within quotes too", () =>
    Effect.gen(function* () {
      const long = "x".repeat(300_000)
      const text = Buffer.concat([
        Buffer.from(`username\nada\n${long}\n"bob\n`),
        Buffer.from([0xff, 0x0a]),
        Buffer.from(`carl\n"${`${"y".repeat(999)}\n`.repeat(400)}`)
      ])
      const found = yield* csv(text, 65_536)
      assert.deepEqual(found.slice(0, 6), [
        [2, { username: "ada" }],
        [3, "Expected at most 256 KiB"],
        [4, "Expected a closing quote"],
        [5, "Expected UTF-8"],
        [6, { username: "carl" }],
        [7, "Expected a closing quote within 256 KiB"]
      ])
      assert.lengthOf(found, 6 + 399)
    }))

  it.effect("refuses a file whose first line names no fields of users", () =>
    Effect.gen(function* () {
      const refused = (text: string) => Effect.map(Effect.flip(csv(text)), ({ message }) => message)
      assert.match(
        yield* refused("username;custom_id\n"),
        /^line 1: unknown field "username;custom_id": expected username,/
      )
      assert.match(yield* refused("username,password\n"), /^line 1: unknown field "password"/)
      assert.match(yield* refused("custom_id\n"), /^line 1: no field is named username/)
      assert.match(yield* refused("username,username\n"), /^line 1: a field is named twice/)
      assert.match(yield* refused('user"name\n'), /^line 1: Expected a closing quote/)
    }))
})

describe("README", () => {
  it.effect("shows a CSV file that is read", () =>
    Effect.gen(function* () {
      const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
      const example = /^```csv\n(.*?)^```/ms.exec(readme)![1]!
      assert.deepEqual(yield* csv(example), [
        [2, {
          username: "ada",
          custom_id: "1001",
          picture_url: "https://cdn.example/ada.png",
          metadata: { plan: "pro" },
          password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$…"
        }],
        [3, { username: "bob", custom_id: "1002", password_hash: "$2b$12$…" }]
      ])
    }))
})

describe("ndjson", () => {
  it.effect("reads an object a line; null is an absent field", () =>
    Effect.gen(function* () {
      const text = '\ufeff{"username":"ada","custom_id":null,"metadata":{"a":null}}\r\n\n{"username":"bob"}'
      assert.deepEqual(yield* ndjson(text), [
        [1, { username: "ada", metadata: { a: null } }],
        [3, { username: "bob" }]
      ])
    }))

  it.effect("loses one row to each that is broken", () =>
    Effect.gen(function* () {
      const text = ['{"username":"ada"}', "{", "[]", '{"username":"bob","password":"x"}', '{"__proto__":1}', "null"]
        .join("\n")
      const expected = "expected username, custom_id, picture_url, metadata, password_hash"
      assert.deepEqual(yield* ndjson(text), [
        [1, { username: "ada" }],
        [2, "Expected JSON"],
        [3, "Expected a JSON object"],
        [4, `unknown field "password": ${expected}`],
        [5, `unknown field "__proto__": ${expected}`],
        [6, "Expected a JSON object"]
      ])
    }))
})
