// The caller itself, sign-in, login and refresh have a shorter way to their answer. It may not show which way a request went.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { connect } from "node:net"
import { baseUrl, type Call, call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"

const direct = "application/json"
/** As good, but not the commonest spelling. */
const routed = "application/json; charset=utf-8"

const tenant = Effect.gen(function* () {
  const { body } = yield* call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Voice" } })
  return body as { readonly id: number; readonly api_key: string; readonly app_id: string }
})

/** What must not differ: all but what names the request, its moment and the session. */
const comparable = ({ body, headers, status }: Server.Answer) => ({
  status,
  headers: Object.fromEntries(
    [...headers].filter(([name]) => !["date", "x-request-id"].includes(name)).map(([name, value]) => [name, value])
  ),
  body: body === undefined ? undefined : {
    ...body,
    ...("token" in body ? { token: "", refresh_token: "", expires_in: body.expires_in > 3500 } : {})
  }
})

const bothWays = (path: string, options: Call) =>
  Effect.forEach(
    [direct, routed],
    (contentType) =>
      call("POST", path, { ...options, headers: { ...options.headers, "content-type": contentType } }).pipe(
        Effect.map(comparable)
      )
  )

layer(Server.layer({ LIMIT_REFRESH_FAILURES: "1000", LIMIT_LOGIN_ACCOUNT: "10" }), {
  excludeTestServices: true,
  timeout: "60 seconds"
})(
  "direct calls",
  (it) => {
    const profiles: ReadonlyArray<readonly [name: string, body: string]> = [
      ["a whole profile", JSON.stringify({ username: "Zoë ✓", custom_id: "z", metadata: { a: [1, { b: "✓" }] } })],
      ["a name that is not in NFC", JSON.stringify({ username: "Zoe\u0308" })],
      ["a field that nobody asked for", JSON.stringify({ username: "a", role: "host" })],
      ["a profile that is wrong in each field", JSON.stringify({ username: "", custom_id: 1, metadata: [] })],
      ["half of a JSON object", '{"username":'],
      ["a mark of byte order before the JSON", '\ufeff{"username":"b"}'],
      ["bytes that are no UTF-8", "\udc00"],
      ["nothing", ""]
    ]
    for (const [name, body] of profiles) {
      it.effect(`sign in alike with ${name}`, () =>
        Effect.gen(function* () {
          const { api_key } = yield* tenant
          const [short, long] = yield* bothWays("/api/auth/auto", { bearer: api_key, body })
          assert.deepEqual(short, long)
        }))
    }

    it.effect("refuse a key, a user and a custom id alike", () =>
      Effect.gen(function* () {
        const { api_key } = yield* tenant
        const json = { username: "a", custom_id: "one" }
        const { body } = yield* call("POST", "/api/auth/auto", { bearer: api_key, json })
        const refused: ReadonlyArray<readonly [status: number, options: Call]> = [
          [401, { json }],
          [401, { bearer: `vc_${"0".repeat(64)}`, json }],
          [400, { bearer: api_key, headers: { "x-api-key": "another" }, json }],
          [409, { bearer: api_key, json: { ...json, custom_id: "two" } }],
          [409, { bearer: api_key, json: { ...json, username: "b" } }]
        ]
        for (const [status, options] of refused) {
          const [short, long] = yield* bothWays("/api/auth/auto", options)
          assert.strictEqual(short!.status, status)
          assert.deepEqual(short, long)
        }
        yield* call("PATCH", `/api/tenant/users/${body.user.id}`, { bearer: api_key, json: { banned: true } })
        const [short, long] = yield* bothWays("/api/auth/auto", { bearer: api_key, json })
        assert.strictEqual(short!.status, 403)
        assert.deepEqual(short, long)
      }))

    it.effect("log in, and refuse to, alike", () =>
      Effect.gen(function* () {
        const { api_key, app_id } = yield* tenant
        const password = "cafe\u0301 au lait"
        const { body: user } = yield* call("POST", "/api/tenant/users", {
          bearer: api_key,
          json: { username: "zo\u00eb", password }
        })
        const login = { app_id, username: "zoe\u0308", password: password.normalize("NFC") }
        const bodies: ReadonlyArray<readonly [status: number, body: object]> = [
          [200, login],
          [200, { ...login, role: "host" }],
          [401, { ...login, password: "another" }],
          [401, { ...login, username: "nobody" }],
          [401, { ...login, app_id: "nothing" }],
          [400, { ...login, password: "" }],
          [400, { ...login, password: "x".repeat(257) }],
          [400, { ...login, username: 1 }],
          [400, { app_id }]
        ]
        for (const [status, json] of bodies) {
          const [short, long] = yield* bothWays("/api/auth/token", { json })
          assert.strictEqual(short!.status, status)
          assert.deepEqual(short, long)
        }
        yield* call("PATCH", `/api/tenant/users/${user.id}`, { bearer: api_key, json: { banned: true } })
        const [short, long] = yield* bothWays("/api/auth/token", { json: login })
        assert.strictEqual(short!.status, 403)
        assert.deepEqual(short, long)
        for (let time = 0; time < 8; time++) {
          yield* call("POST", "/api/auth/token", { json: { ...login, password: "another" } })
        }
        const [late, later] = yield* bothWays("/api/auth/token", { json: login })
        assert.strictEqual(late!.status, 429)
        const seconds = { "retry-after": "some" }
        assert.isAbove(Number(late!.headers["retry-after"]), 0)
        assert.deepEqual({ ...late, headers: { ...late!.headers, ...seconds } }, {
          ...later,
          headers: { ...later!.headers, ...seconds }
        })
      }))

    it.effect("refresh, and refuse to, alike", () =>
      Effect.gen(function* () {
        const { api_key } = yield* tenant
        const { body } = yield* Server.autoAuth(api_key, { username: "a" })
        const bodies = [
          JSON.stringify({ refresh_token: body.refresh_token }),
          JSON.stringify({ refresh_token: "0".repeat(64) }),
          JSON.stringify({ refresh_token: "x".repeat(257) }),
          JSON.stringify({ refresh_token: `${body.refresh_token.slice(0, 32)}${"0".repeat(32)}` }),
          "[]"
        ]
        const statuses = [200, 401, 400, 401, 400]
        for (const [index, body] of bodies.entries()) {
          const [short, long] = yield* bothWays("/api/token/refresh", { body })
          assert.strictEqual(short!.status, statuses[index])
          assert.deepEqual(short, long)
        }
      }))

    it.effect("tell who calls alike, from memory and not", () =>
      Effect.gen(function* () {
        const { api_key } = yield* tenant
        const { body } = yield* call("POST", "/api/auth/auto", {
          bearer: api_key,
          json: { username: "Zoë ✓", metadata: { a: [1, null] } }
        })
        const answers = yield* Effect.forEach(
          ["/api/me", "/api/me", "/api/me", "/api/me?a=b"],
          (path) => call("GET", path, { bearer: body.token }).pipe(Effect.map(comparable))
        )
        for (const answer of answers) assert.deepEqual(answer, answers[0])
        assert.strictEqual(answers[0]!.body.username, "Zoë ✓")
      }))

    it.effect("answer in order what comes over one connection at once", () =>
      Effect.gen(function* () {
        const { api_key } = yield* tenant
        const { body } = yield* Server.autoAuth(api_key, { username: "a" })
        yield* call("GET", "/api/me", { bearer: body.token })
        const ask = (path: string, id: string, more = "") =>
          `GET ${path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${id}\r\nAuthorization: Bearer ${body.token}\r\n${more}\r\n`
        const answer = yield* raw([
          Buffer.from(
            ask("/api/me", "1") + ask("/api/me?a=b", "2") + ask("/api/me", "3", "Content-Length: 2\r\n") + "{}" +
              ask("/api/me", "4", "Connection: close\r\n")
          )
        ])
        assert.deepEqual(answer.match(/(?<=HTTP\/1.1 )\d+/g), ["200", "200", "200", "200"])
        assert.deepEqual(answer.match(/(?<=x-request-id: )\d/gi), ["1", "2", "3", "4"])
      }))

    it.effect("wait for a body that comes in pieces, a character in two of them", () =>
      Effect.gen(function* () {
        const { api_key } = yield* tenant
        const body = Buffer.from(JSON.stringify({ username: "✓".repeat(40) }))
        const answer = yield* raw([
          head(api_key, body),
          ...Array.from(body, (_, at) => body.subarray(at, at + 1))
        ])
        assert.include(answer, `"username":"${"✓".repeat(40)}"`)
      }))

    it.effect("do without a caller that leaves, in the middle of its body or before its answer", () =>
      Effect.gen(function* () {
        const { api_key } = yield* tenant
        const { port } = new URL(yield* baseUrl)
        const body = Buffer.from(JSON.stringify({ username: "a" }))
        const leave = (sent: Buffer) =>
          Effect.promise(() =>
            new Promise<void>((resolve) => {
              const socket = connect(Number(port), "127.0.0.1", () => {
                socket.write(sent, () => setImmediate(() => socket.resetAndDestroy()))
              })
              socket.on("close", () => resolve())
            })
          )
        const whole = Buffer.concat([head(api_key, body), body])
        yield* Effect.forEach(
          Array.from({ length: 40 }, (_, n) => whole.subarray(0, whole.length - n % 4)),
          leave,
          { concurrency: 8 }
        )
        const { status } = yield* Server.autoAuth(api_key, { username: "a" })
        assert.strictEqual(status, 200)
      }))

    it.effect("ask for a body that waits to be asked for", () =>
      Effect.gen(function* () {
        const { api_key } = yield* tenant
        const body = Buffer.from(JSON.stringify({ username: "a" }))
        const answer = yield* raw([head(api_key, body, "Expect: 100-continue\r\n")], (heard) =>
          heard.startsWith("HTTP/1.1 100") ? body : undefined)
        assert.include(answer, '"username":"a"')
      }))
  }
)

for (const origins of ["https://one.example", "https://one.example,https://two.example,https://приме́р.example"]) {
  layer(Server.layer({ CORS_ORIGINS: origins }), { excludeTestServices: true, timeout: "60 seconds" })(
    `direct calls of pages on ${origins}`,
    (it) => {
      it.effect("are marked like others", () =>
        Effect.gen(function* () {
          const { api_key } = yield* tenant
          const { body } = yield* Server.autoAuth(api_key, { username: "a" })
          yield* call("GET", "/api/me", { bearer: body.token })
          for (const origin of [undefined, "https://one.example", "https://two.example", "https://other.example"]) {
            const headers: Record<string, string> = origin === undefined ? {} : { origin }
            for (const json of [{ username: "a" }, { username: "b", custom_id: "" }]) {
              const [short, long] = yield* bothWays("/api/auth/auto", { bearer: api_key, headers, json })
              assert.deepEqual(short, long)
            }
            const [refused, routed] = yield* bothWays("/api/token/refresh", {
              headers,
              json: { refresh_token: "0".repeat(64) }
            })
            assert.deepEqual(refused, routed)
            const [short, long] = yield* Effect.forEach(
              ["/api/me", "/api/me?a=b"],
              (path) => call("GET", path, { bearer: body.token, headers }).pipe(Effect.map(comparable))
            )
            assert.deepEqual(short, long)
            assert.strictEqual(long!.headers.vary, "Origin")
          }
        }))
    }
  )
}

const head = (apiKey: string, body: Buffer, more = "") =>
  Buffer.from(
    `POST /api/auth/auto HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${apiKey}\r\n` +
      `Content-Type: ${direct}\r\nContent-Length: ${body.length}\r\n${more}\r\n`
  )

/** Sends one piece after the other, and then what `reply` makes of the first that is heard. */
const raw = Effect.fn("raw")(function* (
  pieces: ReadonlyArray<Buffer>,
  reply: (heard: string) => Buffer | undefined = () => undefined
) {
  const { port } = new URL(yield* baseUrl)
  return yield* Effect.promise(() =>
    new Promise<string>((resolve, reject) => {
      let text = ""
      const socket = connect(Number(port), "127.0.0.1")
      const send = ([piece, ...rest]: ReadonlyArray<Buffer>) => {
        if (piece !== undefined) socket.write(piece, () => setImmediate(send, rest))
      }
      socket.setNoDelay(true).on("end", () => resolve(text)).on("error", reject).on("data", (data) => {
        const answer = text === "" ? reply(String(data)) : undefined
        if (answer !== undefined) socket.write(answer)
        text += data
      })
      send(pieces)
    })
  )
})
