// A file of users brought in: who is made, who was there, what is said of the rest, and that a run can be repeated.
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Latch, Layer, Queue, Ref } from "effect"
import { HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import * as Cli from "../support/Cli.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"

/** A file of a test's own. */
const file = Effect.fnUntraced(function* (name: string, text: string) {
  const files = yield* FileSystem.FileSystem
  const path = `${yield* files.makeTempDirectoryScoped()}/${name}`
  yield* files.writeFileString(path, text)
  return path
})

const fresh = Effect.gen(function* () {
  const { body } = yield* Server.call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Voice" } })
  const env = { ROOMKEY_URL: yield* Server.baseUrl, ROOMKEY_API_KEY: body.api_key as string }
  return {
    apiKey: env.ROOMKEY_API_KEY,
    bringIn: (path: string, args: ReadonlyArray<string> = [], given: Cli.Given = {}) =>
      Cli.roomkey(["user", "import", path, ...args], { env, ...given }),
    usernames: Effect.gen(function* () {
      const { json } = yield* Cli.roomkey(["user", "list", "--json"], { env })
      return (json as ReadonlyArray<{ username: string }>).map(({ username }) => username).sort()
    })
  }
})

const numbers = (count: number) => Array.from({ length: count }, (_, n) => `user${String(n).padStart(4, "0")}`)

layer(Layer.mergeAll(Server.layer(), Cli.layer), { excludeTestServices: true, timeout: "60 seconds" })(
  "user import",
  (it) => {
    it.effect("makes the users of a CSV file, tells bad rows by line, and leaves alone who exists", () =>
      Effect.scoped(Effect.gen(function* () {
        const { apiKey, bringIn, usernames } = yield* fresh
        yield* Server.autoAuth(apiKey, { username: "ada" })
        const path = yield* file(
          "users.csv",
          [
            "\ufeffusername,custom_id,picture_url,metadata",
            "ada,,,",
            'bob,1,https://cdn.example/b.png,"{""plan"":',
            '""free""}"',
            "carl,1,,",
            " dora,,gopher://example,",
            "eve,2,,[]"
          ].join("\r\n")
        )
        // One at a time: which of two rows that want one custom_id is first must be known here.
        const said = yield* bringIn(path, ["--concurrency", "1", "--json"])
        assert.strictEqual(said.code, 1)
        assert.deepEqual(said.json, { created: 1, exists: 1, failed: 3 })
        assert.deepEqual(said.stderr.trimEnd().split("\n"), [
          "line 5: custom_id_taken: Another user has this custom_id",
          "line 6: username: Expected no leading or trailing white space; picture_url: Expected an absolute http or https URL",
          "line 7: metadata: Expected a JSON object",
          "roomkey: 3 rows failed"
        ])
        assert.deepEqual(yield* usernames, ["ada", "bob"])
        const { body } = yield* Server.call("GET", "/api/tenant/users?search=bob", { bearer: apiKey })
        assert.deepInclude(body.users[0], { custom_id: "1", metadata: { plan: "free" } })
        assert.strictEqual(body.users[0].picture_url, "https://cdn.example/b.png")
      })))

    it.effect("reads NDJSON by its name or by --format, and writes bad rows where --errors says", () =>
      Effect.scoped(Effect.gen(function* () {
        const { bringIn, usernames } = yield* fresh
        const text = '{"username":"ada"}\n{"username":7}\n{"username":"bob","custom_id":"1"}\n'
        const path = yield* file("users.jsonl", text)
        const errors = `${path}.errors`
        const said = yield* bringIn(path, ["--errors", errors])
        assert.deepEqual([said.code, said.stderr], [1, "roomkey: 1 row failed\n"])
        assert.match(said.stdout, /^created {2}2\nexists {3}0\nfailed {3}1\n$/)
        const written = yield* (yield* FileSystem.FileSystem).readFileString(errors)
        assert.deepEqual(JSON.parse(written), { line: 2, reason: "username: Expected string" })
        const again = yield* bringIn(yield* file("users.txt", text.replace("7", '"carl"')), ["--format", "ndjson"])
        assert.deepEqual([again.code, again.stderr], [0, ""])
        assert.deepEqual(yield* usernames, ["ada", "bob", "carl"])
      })))

    it.effect("is finished by a second run after the first was interrupted", () =>
      Effect.scoped(Effect.gen(function* () {
        const { bringIn, usernames } = yield* fresh
        const names = numbers(300)
        const path = yield* file("users.csv", ["username", ...names, ""].join("\n"))
        const half = yield* Latch.make()
        const done = yield* Ref.make(0)
        const counting = HttpClient.tap(
          yield* HttpClient.HttpClient,
          () =>
            Effect.flatMap(
              Ref.updateAndGet(done, (count) => count + 1),
              (count) => count === 100 ? half.open : Effect.void
            )
        )
        const first = yield* Effect.forkChild(
          Effect.provideService(bringIn(path), HttpClient.HttpClient, counting)
        )
        yield* half.await
        yield* Fiber.interrupt(first)
        const before = yield* usernames
        assert.isTrue(before.length >= 80 && before.length < 300, `${before.length}`)
        const said = yield* bringIn(path, ["--json"])
        assert.deepEqual([said.code, said.json], [0, {
          created: 300 - before.length,
          exists: before.length,
          failed: 0
        }])
        assert.deepEqual(yield* usernames, names)
        assert.deepEqual((yield* bringIn(path, ["--json"])).json, { created: 0, exists: 300, failed: 0 })
      })))

    it.effect("says what is no file of users before it makes any", () =>
      Effect.scoped(Effect.gen(function* () {
        const { bringIn, usernames } = yield* fresh
        const said = yield* bringIn(yield* file("users.csv", "username,pasword\nada,x\n"))
        assert.strictEqual(said.code, 1)
        assert.match(said.stderr, /^roomkey: line 1: unknown field "pasword": expected username, /)
        assert.strictEqual((yield* bringIn("/nowhere.csv")).code, 2)
        assert.deepEqual(yield* usernames, [])
      })))
  }
)

const env = { ROOMKEY_URL: "http://roomkey.test", ROOMKEY_API_KEY: `vc_${"0".repeat(64)}` }

const json = (request: HttpClientRequest.HttpClientRequest, status: number, body: unknown, headers = {}) =>
  HttpClientResponse.fromWeb(request, Response.json(body, { status, headers }))

const settings = {
  id: 1,
  name: "Voice",
  app_id: "vc_app_",
  registration_enabled: false,
  allowed_origins: [],
  query_tokens: true,
  password_min_length: null
}

const user = { id: 1, username: "ada", custom_id: null, picture_url: null, metadata: null }
const created = { ...user, banned: false, has_password: true, created_at: "2026-01-01T00:00:00.000Z" }

const problem = (status: number, code: string) => ({ type: `urn:roomkey:problem:${code}`, title: code, status, code })

type Answer = (request: HttpClientRequest.HttpClientRequest) => HttpClientResponse.HttpClientResponse | undefined

/** An instance that answers each call to make a user by the next of `answers`, the last of them for ever. */
const fake = (...answers: ReadonlyArray<Answer>) =>
  Effect.gen(function* () {
    const called = yield* Queue.unbounded<unknown>()
    let calls = 0
    const client = HttpClient.make(Effect.fnUntraced(function* (request) {
      if (request.method === "GET") return json(request, 200, settings)
      assert(request.body._tag === "Uint8Array")
      yield* Queue.offer(called, JSON.parse(new TextDecoder().decode(request.body.body)))
      const answer = answers[Math.min(++calls, answers.length) - 1]!(request)
      if (answer !== undefined) return answer
      return yield* new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request }) })
    }))
    return { called, client }
  })

const made: Answer = (request) => json(request, 201, created)

const bringIn = (client: HttpClient.HttpClient, text: string, given: Cli.Given = {}) =>
  Effect.flatMap(file("users.csv", text), (path) => Cli.roomkey(["user", "import", path, "--json"], { env, ...given }))
    .pipe(Effect.scoped, Effect.provideService(HttpClient.HttpClient, client))

/** Whatever it waits for comes to pass. */
const inNoTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(effect, Effect.forever(Effect.andThen(TestClock.adjust("10 seconds"), Effect.yieldNow)))

describe("user import", () => {
  layer(Cli.layer)((it) => {
    it.effect("waits as long as it is told to by 429 and 503, and then goes on", () =>
      Effect.gen(function* () {
        const { called, client } = yield* fake(
          (request) => json(request, 429, problem(429, "rate_limited"), { "retry-after": "7" }),
          (request) => json(request, 503, problem(503, "unavailable"), { "retry-after": "20" }),
          () => undefined,
          made
        )
        const running = yield* Effect.forkChild(bringIn(client, "username\nada\n"))
        yield* Queue.take(called)
        yield* TestClock.adjust("6900 millis")
        assert.strictEqual(yield* Queue.size(called), 0)
        yield* TestClock.adjust("100 millis")
        yield* Queue.take(called)
        yield* TestClock.adjust("19900 millis")
        assert.strictEqual(yield* Queue.size(called), 0)
        yield* TestClock.adjust("100 millis")
        yield* Queue.take(called)
        const said = yield* inNoTime(Fiber.join(running))
        assert.deepEqual([said.code, said.json], [0, { created: 1, exists: 0, failed: 0 }])
        assert.strictEqual(yield* Queue.size(called), 1)
      }))

    it.effect("ends with what it did when the instance stays away, or no longer takes the key", () =>
      Effect.gen(function* () {
        const text = ["username", ...numbers(100), ""].join("\n")
        const away = yield* inNoTime(bringIn((yield* fake(made, () => undefined)).client, text))
        assert.deepEqual([away.code, away.json], [1, { created: 1, exists: 0, failed: 0 }])
        assert.strictEqual(away.stderr, "roomkey: cannot reach http://roomkey.test\n")
        const { called, client } = yield* fake(made, (request) => json(request, 401, problem(401, "invalid_api_key")))
        const refused = yield* bringIn(client, text)
        assert.deepEqual([refused.code, refused.json], [1, { created: 1, exists: 0, failed: 0 }])
        assert.match(refused.stderr, /^roomkey: invalid_api_key: /)
        assert.isBelow(yield* Queue.size(called), 40)
      }))

    it.effect("fails the row, and no other, that the instance will not take", () =>
      Effect.gen(function* () {
        const { client } = yield* fake((request) => json(request, 413, problem(413, "payload_too_large")), made)
        const said = yield* bringIn(client, "username\nada\nbob\n")
        assert.deepEqual([said.code, said.json], [1, { created: 1, exists: 0, failed: 1 }])
        assert.strictEqual(said.stderr, "line 2: payload_too_large: payload_too_large\nroomkey: 1 row failed\n")
      }))

    it.effect("sends the hash of a password as it is, and says nothing of it", () =>
      Effect.gen(function* () {
        const { called, client } = yield* fake((request) => json(request, 400, problem(400, "invalid_request")))
        const hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IGhlcmU$bm90IGEgcmVhbCBoYXNoIGJ1dCBsb25nIGVub3VnaA"
        const said = yield* bringIn(client, `username,password_hash\nada,"${hash}"\n`)
        assert.deepEqual(yield* Queue.take(called), { username: "ada", password_hash: hash })
        assert.strictEqual(said.code, 1)
        assert.notInclude(said.stdout + said.stderr, "argon2id")
      }))

    it.effect("shows on a terminal how far it is", () =>
      Effect.gen(function* () {
        const { called, client } = yield* fake(
          made,
          (request) => json(request, 429, problem(429, "rate_limited"), { "retry-after": "1" }),
          made
        )
        const text = "username\nada\nbob\n"
        const running = yield* Effect.forkChild(bringIn(client, text, { keys: "" }))
        yield* Queue.takeN(called, 2)
        yield* TestClock.adjust("1 second")
        const said = yield* Fiber.join(running)
        const shown = said.stderr.split("\r\u001b[K")
        assert.deepEqual([shown[0], shown[1], shown.at(-1)], ["", "1 row, 2 a second", ""])
        assert.strictEqual((yield* bringIn(client, text)).stderr, "")
        const bad = yield* bringIn(client, "username\n ada\n", { keys: "" })
        assert.match(bad.stderr.split("\r\u001b[K")[1]!, /^line 2: username: .*\n$/)
      }))
  })
})
