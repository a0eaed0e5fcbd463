// Hostile and clumsy requests: each has one answer, none is a 500, and none echoes what was sent.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"

const apiKey = Effect.gen(function* () {
  const { body } = yield* call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Voice" } })
  return body.api_key as string
})

const deep = (levels: number) => '{"a":'.repeat(levels) + "1" + "}".repeat(levels)

const paths = (answer: Server.Answer) => answer.body.errors.map(({ path }: { path: string }) => path).sort()

layer(Server.layer(), { excludeTestServices: true, timeout: "60 seconds" })("bad input", (it) => {
  const profiles: ReadonlyArray<readonly [name: string, json: unknown, wrong: ReadonlyArray<string>]> = [
    ["no username", {}, ["username"]],
    ["a number for a username", { username: 5 }, ["username"]],
    ["an empty username", { username: "" }, ["username"]],
    ["a username of 129 characters", { username: "a".repeat(129) }, ["username"]],
    ["a username with a line break", { username: "a\nb" }, ["username"]],
    ["a username with NUL", { username: "a\u0000b" }, ["username"]],
    ["a username with a lone surrogate", { username: "a\ud800" }, ["username"]],
    ["a username that turns the text around", { username: "a\u202eb" }, ["username"]],
    ["leading white space", { username: " a" }, ["username"]],
    ["trailing no-break space", { username: "a\u00a0" }, ["username"]],
    ["an empty custom_id", { username: "a", custom_id: "" }, ["custom_id"]],
    ["a custom_id of 129 characters", { username: "a", custom_id: "c".repeat(129) }, ["custom_id"]],
    ["null for custom_id", { username: "a", custom_id: null }, ["custom_id"]],
    ["NUL in custom_id", { username: "a", custom_id: "\u0000" }, ["custom_id"]],
    ["a script for a picture", { username: "a", picture_url: "javascript:alert(1)" }, ["picture_url"]],
    ["a relative picture", { username: "a", picture_url: "/p.png" }, ["picture_url"]],
    ["a picture with white space", { username: "a", picture_url: "https://a.example/a b" }, ["picture_url"]],
    ["a picture of 2049 characters", { username: "a", picture_url: `https://a.example/${"p".repeat(2031)}` }, [
      "picture_url"
    ]],
    ["an array for metadata", { username: "a", metadata: [] }, ["metadata"]],
    ["null for metadata", { username: "a", metadata: null }, ["metadata"]],
    ["text for metadata", { username: "a", metadata: "{}" }, ["metadata"]],
    ["NUL in a metadata key", { username: "a", metadata: { "\u0000": 1 } }, ["metadata"]],
    ["a lone surrogate in metadata", { username: "a", metadata: { a: ["\udc00"] } }, ["metadata"]],
    ["metadata over 16 KiB", { username: "a", metadata: { a: "x".repeat(16 * 1024) } }, ["metadata"]],
    ["everything wrong at once", { username: 1, custom_id: 2, picture_url: 3, metadata: 4 }, [
      "custom_id",
      "metadata",
      "picture_url",
      "username"
    ]]
  ]
  for (const [name, json, wrong] of profiles) {
    it.effect(`auto-auth refuses ${name}`, () =>
      Effect.gen(function* () {
        const answer = yield* call("POST", "/api/auth/auto", { bearer: yield* apiKey, json })
        assert.strictEqual(answer.status, 400, answer.text)
        assert.strictEqual(answer.body.code, "invalid_request")
        assert.deepEqual(paths(answer), wrong)
      }))
  }

  const bodies: ReadonlyArray<readonly [name: string, body: string, status: number, code: string]> = [
    ["no body", "", 400, "invalid_request"],
    ["half of a JSON object", '{"username":', 400, "invalid_request"],
    ["a JSON array", "[]", 400, "invalid_request"],
    ["JSON null", "null", 400, "invalid_request"],
    ["metadata 10,000 levels deep", `{"username":"a","metadata":${deep(10_000)}}`, 400, "invalid_request"],
    ["metadata 100 levels deep", `{"username":"a","metadata":${deep(100)}}`, 400, "invalid_request"],
    ["a number out of range", '{"username":"a","metadata":{"n":1e999}}', 400, "invalid_request"],
    ["a body over 64 KiB", `{"username":"a","metadata":{"a":"${"x".repeat(65 * 1024)}"}}`, 413, "payload_too_large"]
  ]
  for (const [name, body, status, code] of bodies) {
    it.effect(`auto-auth refuses ${name}`, () =>
      Effect.gen(function* () {
        const answer = yield* call("POST", "/api/auth/auto", { bearer: yield* apiKey, body })
        assert.deepEqual([answer.status, answer.body?.code], [status, code], answer.text)
      }))
  }

  it.effect("takes metadata of 16 KiB to the byte, and any string in it", () =>
    Effect.gen(function* () {
      const key = yield* apiKey
      const metadata = { a: "x".repeat(16 * 1024 - '{"a":""}'.length) }
      const answer = yield* call("POST", "/api/auth/auto", { bearer: key, json: { username: "a", metadata } })
      assert.strictEqual(answer.status, 200, answer.text)
      assert.deepEqual(answer.body.user.metadata, metadata)
    }))

  it.effect("takes a username of 128 characters counted as people count, after NFC", () =>
    Effect.gen(function* () {
      const key = yield* apiKey
      const decomposed = "e\u0301".repeat(128)
      const answer = yield* call("POST", "/api/auth/auto", { bearer: key, json: { username: decomposed } })
      assert.strictEqual(answer.status, 200, answer.text)
      assert.strictEqual(answer.body.user.username, "\u00e9".repeat(128))
      const emoji = yield* call("POST", "/api/auth/auto", { bearer: key, json: { username: "😀".repeat(128) } })
      assert.strictEqual(emoji.status, 200, emoji.text)
    }))

  it.effect("refuses any content type but JSON", () =>
    Effect.gen(function* () {
      const key = yield* apiKey
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
        const answer = yield* call("POST", "/api/auth/auto", {
          bearer: key,
          headers: { "content-type": type },
          body: '{"username":"a"}'
        })
        assert.deepEqual([answer.status, answer.body?.code], [415, "unsupported_media_type"], type)
      }
      const charset = yield* call("POST", "/api/auth/auto", {
        bearer: key,
        headers: { "content-type": "application/json; charset=utf-8" },
        body: '{"username":"a"}'
      })
      assert.strictEqual(charset.status, 200)
    }))

  it.effect("asks for the credential before it looks at the body", () =>
    Effect.gen(function* () {
      const answer = yield* call("POST", "/api/auth/auto", { body: "not json" })
      assert.deepEqual([answer.status, answer.body.code], [401, "invalid_api_key"])
    }))

  it.effect("ignores fields that would name somebody else", () =>
    Effect.gen(function* () {
      const key = yield* apiKey
      const first = yield* call("POST", "/api/auth/auto", { bearer: key, json: { username: "ada" } })
      const other = yield* call("POST", "/api/auth/auto", {
        bearer: key,
        json: { username: "eve", id: first.body.user.id, user_id: first.body.user.id, tenant_id: 1, role: "admin" }
      })
      assert.strictEqual(other.status, 200)
      assert.notStrictEqual(other.body.user.id, first.body.user.id)
    }))

  it.effect("refuses odd ids, cursors and limits", () =>
    Effect.gen(function* () {
      const bearer = yield* apiKey
      const json = { password: "correct horse battery" }
      for (const id of ["x", "-1", "1.5", "1e3", "9".repeat(30), "%00"]) {
        const answer = yield* call("PUT", `/api/tenant/users/${id}/password`, { bearer, json })
        assert.isTrue(answer.status === 400 || answer.status === 404, `${id}: ${answer.status} ${answer.text}`)
      }
      for (const query of ["limit=0", "limit=201", "limit=x", "cursor=-1", "cursor=x", "cursor=1e400"]) {
        const answer = yield* call("GET", `/api/tenant/users?${query}`, { bearer })
        assert.deepEqual([answer.status, answer.body?.code], [400, "invalid_request"], query)
      }
    }))

  it.effect("refuses passwords that no account can have, without echoing them", () =>
    Effect.gen(function* () {
      for (const password of ["", "x".repeat(257), "a\u0000bcdefgh", "a\ud800bcdefgh", 5, null]) {
        const answer = yield* call("POST", "/api/auth/token", {
          json: { app_id: `vc_app_${"0".repeat(32)}`, username: "ada", password }
        })
        assert.deepEqual([answer.status, answer.body?.code], [400, "invalid_request"], JSON.stringify(password))
        assert.deepEqual(paths(answer), ["password"])
        assert.notInclude(answer.text, "xxx")
      }
    }))

  it.effect("takes null for no value, lest it lift an expiry or clear what is set once", () =>
    Effect.gen(function* () {
      const bearer = yield* apiKey
      const { body } = yield* call("POST", "/api/auth/auto", { bearer, json: { username: "ada", custom_id: "c-1" } })
      const user = `/api/tenant/users/${body.user.id}`
      for (
        const [method, path, json] of [
          ["POST", "/api/tenant/api-keys", { expires_in: null }],
          ["POST", "/api/tenant/users", { username: "eve", custom_id: null }],
          ["PATCH", user, { custom_id: null }],
          ["PATCH", user, { banned: null }],
          ["PATCH", "/api/tenant", { query_tokens: null }],
          ["PATCH", "/api/tenant", { registration_enabled: null }]
        ] as const
      ) {
        const answer = yield* call(method, path, { bearer, json })
        assert.deepEqual([answer.status, answer.body?.code], [400, "invalid_request"], `${method} ${path}`)
        assert.deepEqual(paths(answer), [Object.keys(json).at(-1)])
      }
      assert.strictEqual((yield* call("GET", user, { bearer })).body.custom_id, "c-1")
      assert.lengthOf((yield* call("GET", "/api/tenant/api-keys", { bearer })).body, 1)
    }))

  it.effect("takes NUL and lone surrogates in tokens for no token", () =>
    Effect.gen(function* () {
      for (const refresh_token of ["\u0000", `${"0".repeat(63)}\u0000`, `${"0".repeat(63)}\ud800`]) {
        const answer = yield* call("POST", "/api/token/refresh", { json: { refresh_token } })
        assert.deepEqual([answer.status, answer.body?.code], [401, "invalid_refresh_token"])
      }
      for (const query of ["%00", `${"0".repeat(63)}%00`, "%ed%a0%80"]) {
        for (const path of [`/api/me?token=${query}`, `/ws?token=${query}`, `/ws?ticket=${query}`]) {
          const answer = yield* call("GET", path)
          assert.deepEqual([answer.status, answer.body?.code], [401, "invalid_token"], path)
        }
      }
    }))

  it.effect("refuses NUL in an app id and in a search", () =>
    Effect.gen(function* () {
      const json = { app_id: "a\u0000b", username: "ada", password: "correct horse battery" }
      for (const path of ["/api/auth/token", "/api/register"]) {
        const answer = yield* call("POST", path, { json })
        assert.deepEqual([answer.status, answer.body?.code], [400, "invalid_request"], path)
      }
      const search = yield* call("GET", "/api/tenant/users?search=%00", { bearer: yield* apiKey })
      assert.deepEqual([search.status, search.body?.code], [400, "invalid_request"])
    }))
})
