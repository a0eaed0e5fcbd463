// Requests that no client library would send: what one server reads as one request and another as two, credentials said
// twice, methods and targets from the corners of RFC 9112. Each has one answer, none is a 500, none is left waiting, and
// after each the service answers the next caller.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"
import * as Raw from "./Raw.ts"
import * as Wire from "./Wire.ts"

const caller = Effect.gen(function* () {
  const tenant = yield* Wire.makeTenant
  return { tenant, ...(yield* Wire.signIn(tenant)) }
})

type Caller = Effect.Success<typeof caller>

const bearer = ({ token }: Caller) => `Authorization: Bearer ${token}`

const json = "Content-Type: application/json"

const body = '{"username":"eve"}'

/** Fits every endpoint that takes one. */
const anyBody = '{"username":"eve","name":"x"}'

const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`

/** A sign-in whose body is announced by `headers` and sent as `sent`. */
const signIn = (headers: ReadonlyArray<string>, sent: string) => ({ tenant }: Caller) =>
  Raw.request("POST /api/auth/auto", [`Authorization: Bearer ${tenant.api_key}`, json, ...headers], sent)

const me = (headers: (caller: Caller) => ReadonlyArray<string>) => (caller: Caller) =>
  Raw.request("GET /api/me", headers(caller))

const target = (line: string) => (caller: Caller) => Raw.request(line, [bearer(caller)])

/** What is sent and the statuses that may answer it; 0 is a connection closed without an answer. */
type Case = readonly [name: string, bytes: (caller: Caller) => string, ...statuses: ReadonlyArray<number>]

const framing: ReadonlyArray<Case> = [
  [
    "Content-Length beside Transfer-Encoding",
    signIn(["Content-Length: 4", "Transfer-Encoding: chunked"], chunked),
    400
  ],
  [
    "Transfer-Encoding beside Content-Length",
    signIn(["Transfer-Encoding: chunked", "Content-Length: 4"], chunked),
    400
  ],
  ["two different Content-Lengths", signIn(["Content-Length: 4", `Content-Length: ${body.length}`], body), 400],
  ["a negative Content-Length", signIn(["Content-Length: -1"], body), 400],
  ["a Content-Length with a plus", signIn([`Content-Length: +${body.length}`], body), 400],
  ["a hexadecimal Content-Length", signIn(["Content-Length: 0x12"], body), 400],
  ["a list for a Content-Length", signIn([`Content-Length: ${body.length}, ${body.length}`], body), 400],
  ["a Content-Length beyond 64 bits", signIn(["Content-Length: 99999999999999999999999"], body), 400],
  ["a Content-Length of a gigabyte, and little more", signIn(["Content-Length: 1000000000"], body), 413],
  ["an unknown Transfer-Encoding", signIn(["Transfer-Encoding: xchunked"], chunked), 400],
  ["a Transfer-Encoding that does not end in chunked", signIn(["Transfer-Encoding: chunked, identity"], chunked), 400],
  ["a Transfer-Encoding with a vertical tab", signIn(["Transfer-Encoding:\x0bchunked"], chunked), 400],
  ["a chunk size that is no number", signIn(["Transfer-Encoding: chunked"], `zz\r\n${body}\r\n0\r\n\r\n`), 400],
  ["a negative chunk size", signIn(["Transfer-Encoding: chunked"], `-12\r\n${body}\r\n0\r\n\r\n`), 400],
  ["chunks beyond 64 KiB", signIn(["Transfer-Encoding: chunked"], `20000\r\n${" ".repeat(0x20000)}\r\n0\r\n\r\n`), 413],
  ["Expect: 100-continue with a body too large", signIn(["Expect: 100-continue", "Content-Length: 70000"], ""), 413],
  ["another expectation", signIn(["Expect: 200-ok", `Content-Length: ${body.length}`], body), 417],
  ["a header line that is folded", me(({ token }) => ["Authorization: Bearer", ` ${token}`]), 400],
  ["a space before the colon", me(({ token }) => [`Authorization : Bearer ${token}`]), 400],
  ["NUL in a header", me(() => ["Authorization: Bearer \0"]), 400],
  ["a bare CR in a header", me((caller) => ["X-A: a\rb", bearer(caller)]), 400],
  ["lines that end in LF", (caller) => `GET /api/me HTTP/1.1\nHost: x\n${bearer(caller)}\n\n`, 400],
  ["no Host", (caller) => `GET /api/me HTTP/1.1\r\n${bearer(caller)}\r\n\r\n`, 400],
  [
    "a credential in the trailer",
    () =>
      Raw.request(
        "GET /api/me",
        ["Transfer-Encoding: chunked", "Trailer: Authorization"],
        "0\r\nAuthorization: Bearer x\r\n\r\n"
      ),
    401
  ],
  ["a header of 20 KiB", me((caller) => [bearer(caller), `X-A: ${"a".repeat(20_000)}`]), 431],
  [
    "two thousand headers",
    me((caller) => [...Array.from({ length: 2000 }, (_, n) => `X-${n}: a`), bearer(caller)]),
    431,
    200,
    401
  ],
  ["a TLS handshake", () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400]
]

const methods: ReadonlyArray<Case> = [
  ["CONNECT", () => Raw.request("CONNECT evil.example:443"), 0, 405],
  ["CONNECT to a path", target("CONNECT /api/me"), 0, 405],
  ["TRACE", target("TRACE /api/me"), 405],
  ["OPTIONS", target("OPTIONS /api/me"), 405],
  ["PROPFIND", target("PROPFIND /api/me"), 405],
  ["PURGE", target("PURGE /api/me"), 405],
  ["a method that nobody knows", target("FOO /api/me"), 400],
  ["a method in lower case", target("get /api/me"), 400],
  [
    "a method override",
    (caller) => Raw.request("POST /api/me", [bearer(caller), "X-HTTP-Method-Override: GET", "Content-Length: 0"]),
    405
  ],
  ["HEAD", target("HEAD /api/me"), 200],
  ["HEAD of nothing", target("HEAD /nope"), 404],
  ["HEAD of the socket", target("HEAD /ws"), 400],
  ["HTTP/1.0", (caller) => `GET /api/me HTTP/1.0\r\n${bearer(caller)}\r\n\r\n`, 200],
  ["the preface of HTTP/2", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["an upgrade to HTTP/2", me((caller) => [bearer(caller), "Connection: Upgrade", "Upgrade: h2c"]), 200],
  ["a WebSocket handshake elsewhere", (caller) => Raw.handshake("/api/me", [bearer(caller)]), 200],
  ["a WebSocket handshake of nothing", (caller) => Raw.handshake("/nope", [bearer(caller)]), 404],
  ["a WebSocket handshake by POST", (caller) => Raw.handshake("/ws", [bearer(caller)]).replace("GET", "POST"), 405]
]

const targets: ReadonlyArray<Case> = [
  ["an absolute target", target("GET http://evil.example/api/me"), 200],
  ["an absolute target without a path", target("GET http:///"), 404],
  ["two slashes", target("GET //api/me"), 200],
  ["another host after two slashes", target("GET //evil.example/api/me"), 404],
  ["dots", target("GET /x/../api/me"), 404],
  ["encoded dots", target("GET /api/%2e%2e/api/me"), 404],
  ["an encoded slash", target("GET /api%2fme"), 404],
  ["a percent sign alone", target("GET /api/%zz"), 404],
  ["NUL", target("GET /api/me%00"), 404],
  ["bytes that are no UTF-8", () => Raw.request("GET /api/me?token=%ff%fe"), 401],
  ["an asterisk", target("OPTIONS *"), 404],
  ["no slash", target("GET api/me"), 400],
  ["backslashes", target("GET \\api\\me"), 400],
  ["10 KiB of path", target(`GET /${"a".repeat(10_240)}`), 404],
  ["20 KiB of query", () => Raw.request(`GET /api/me?token=${"a".repeat(20_480)}`), 431],
  ["a query after a semicolon", ({ token }) => Raw.request(`GET /api/me;token=${token}`), 400],
  ["a query in a fragment", ({ token }) => Raw.request(`GET /api/me#token=${token}`), 400]
]

const authorizations = [
  "",
  "Bearer",
  "Bearer ",
  "Bearer  ",
  "Bearer null",
  "Bearer undefined",
  "Bearer ,",
  "Basic",
  "Basic YTpi",
  "Negotiate YII=",
  'Digest username="a"',
  "bearer:" + "0".repeat(64),
  `Bearer ${"0".repeat(63)}`,
  `Bearer ${"0".repeat(65)}`,
  `Bearer ${"A".repeat(64)}`,
  `Bearer vc_${"0".repeat(64)}`,
  `Bearer vc_admin_${"1".repeat(64)}`,
  `Bearer ${"0".repeat(32)}-${"0".repeat(31)}`,
  "Bearer \u00e9\u00ff",
  "Bearer %00",
  "Bearer __proto__",
  "constructor",
  `Bearer ${"a".repeat(8192)}`,
  `Bearer${" ".repeat(8192)}x`,
  `${"Bearer ".repeat(1000)}`,
  `Bearer ${",".repeat(8000)}`
]

layer(Server.layer(), Wire.options)("HeaderSmuggling", (it) => {
  for (const [name, bytes, ...statuses] of [...framing, ...methods, ...targets]) {
    it.effect(`has one answer for ${name}, and goes on`, () =>
      Effect.gen(function* () {
        const answer = yield* Raw.exchange(bytes(yield* caller))
        assert.include(statuses, answer?.status ?? 0, answer?.text)
        assert.strictEqual((yield* call("GET", "/health")).status, 200)
      }))
  }

  it.effect("answers every malformed Authorization by 401, whatever the endpoint", () =>
    Effect.gen(function* () {
      const endpoints = [
        ["GET", "/api/me"],
        ["GET", "/api/channels"],
        ["POST", "/api/logout"],
        ["POST", "/api/ws-ticket"],
        ["POST", "/api/auth/auto"],
        ["GET", "/api/tenant/users"],
        ["POST", "/api/admin/tenants"],
        ["GET", "/ws"]
      ] as const
      for (const authorization of authorizations) {
        for (const [method, path] of endpoints) {
          const answer = yield* Raw.exchange(
            Raw.request(`${method} ${path}`, [`Authorization: ${authorization}`, json, "Content-Length: 29"], anyBody)
          )
          assert.strictEqual(answer?.status, 401, `${method} ${path} ${authorization.slice(0, 80)}`)
          assert.notInclude(answer!.text, "aaaa")
        }
      }
    }))

  it.effect("reads the first of two Authorization headers, and joins none", () =>
    Effect.gen(function* () {
      const one = yield* caller
      const other = yield* caller
      const both = (first: string, second: string) =>
        Raw.exchange(Raw.request("GET /api/me", [`Authorization: ${first}`, `Authorization: ${second}`]))
      assert.strictEqual((yield* both("Bearer x", `Bearer ${one.token}`))?.status, 401)
      const answer = yield* both(`Bearer ${one.token}`, `Bearer ${other.token}`)
      assert.strictEqual(JSON.parse(answer!.text).id, one.user.id)
      assert.strictEqual((yield* both("Bearer", one.token))?.status, 401)
      assert.strictEqual(
        (yield* Raw.exchange(Raw.request("GET /api/me", [`Authorization: Bearer ${one.token}, Bearer ${other.token}`])))
          ?.status,
        401
      )
    }))

  it.effect("takes a body after 100 Continue, and one in chunks", () =>
    Effect.gen(function* () {
      const one = yield* caller
      const continued = yield* Effect.scoped(Effect.gen(function* () {
        const connection = yield* Raw.connect
        connection.send(signIn(["Expect: 100-continue", `Content-Length: ${body.length}`], "")(one))
        assert.strictEqual((yield* connection.answer)?.status, 100)
        connection.send(body)
        return yield* connection.answer
      }))
      assert.strictEqual(continued?.status, 200, continued?.text)
      assert.strictEqual((yield* Raw.exchange(signIn(["Transfer-Encoding: chunked"], chunked)(one)))?.status, 200)
    }))

  it.effect("answers pipelined requests in order, each with its own caller", () =>
    Effect.gen(function* () {
      const one = yield* caller
      const other = yield* caller
      const answers = yield* Effect.scoped(Effect.gen(function* () {
        const connection = yield* Raw.connect
        connection.send([one, other, one].map((who) => Raw.request("GET /api/me", [bearer(who)])).join(""))
        return [yield* connection.answer, yield* connection.answer, yield* connection.answer]
      }))
      assert.deepEqual(answers.map((answer) => JSON.parse(answer!.text).id), [one.user.id, other.user.id, one.user.id])
    }))

  it.effect("serves no second request out of a body that it refused", () =>
    Effect.gen(function* () {
      const one = yield* caller
      const hidden = Raw.request("GET /api/me", [bearer(one)])
      for (
        const headers of [
          ["Content-Length: 4", "Transfer-Encoding: chunked"],
          ["Content-Length: 0", `Content-Length: ${hidden.length}`],
          ["Transfer-Encoding: xchunked"]
        ]
      ) {
        const answers = yield* Effect.scoped(Effect.gen(function* () {
          const connection = yield* Raw.connect
          connection.send(signIn(headers, hidden)(one))
          return [yield* connection.answer, yield* connection.answer]
        }))
        assert.strictEqual(answers[0]?.status, 400)
        assert.isUndefined(answers[1])
      }
    }))

  it.effect("believes no header about who or where the caller is", () =>
    Effect.gen(function* () {
      const one = yield* caller
      const plain = yield* Wire.me(one.token)
      const spoofed = yield* call("GET", "/api/me", {
        bearer: one.token,
        headers: {
          "x-forwarded-for": "127.0.0.1, ::1, ' or 1=1",
          "x-forwarded-host": "evil.example",
          "x-forwarded-proto": "javascript",
          "x-forwarded-prefix": "/api/admin",
          "x-original-url": "/api/admin/tenants",
          "x-rewrite-url": "/api/admin/tenants",
          forwarded: "for=127.0.0.1;host=evil.example",
          "x-real-ip": "127.0.0.1",
          "x-user-id": "1",
          "x-tenant-id": "1"
        }
      })
      assert.deepEqual(Wire.shown(spoofed), Wire.shown(plain))
      Wire.isProblem(
        yield* call("GET", "/api/admin/tenants", {
          headers: { "x-forwarded-for": "127.0.0.1", "x-admin-key": World.adminKey }
        }),
        401,
        "invalid_api_key"
      )
    }))

  it.effect("forbids keeping an answer, and naming where it came from, however the path and the token are spelled", () =>
    Effect.gen(function* () {
      const { tenant, token } = yield* caller
      for (
        const path of [
          "/api/me?token=",
          "/API/me?token=",
          "//api/me?token=",
          "/api/me/?token=",
          "/api/me?%74oken=",
          "/api/me?a&toke%6E="
        ]
      ) {
        const answer = yield* Raw.exchange(Raw.request(`GET ${path}${token}`))
        assert.deepEqual(
          [answer?.status, answer?.headers["cache-control"], answer?.headers["referrer-policy"]],
          [200, "private, no-store", "no-referrer"],
          path
        )
      }
      for (const path of ["/API/Auth/Auto", "//api//auth//auto", "http://evil.example/api/auth/auto"]) {
        const answer = yield* Raw.exchange(
          Raw.request(`POST ${path}`, [
            `Authorization: Bearer ${tenant.api_key}`,
            json,
            `Content-Length: ${body.length}`
          ], body)
        )
        assert.deepEqual([answer?.status, answer?.headers["cache-control"]], [200, "no-store"], path)
      }
    }))
})
