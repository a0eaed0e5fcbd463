// Signing in, staying signed in, and being signed out only when the server says so: against the real service.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { SessionId } from "../../src/domain/Ids.ts"
import { memoryStorage, RoomkeyError, type TokenStorage } from "../../src/client/index.ts"
import * as Server from "../support/Server.ts"
import { age } from "../support/Time.ts"
import { countedFetch, makeTenant, ManualClock, password, problem, refreshPath } from "./Support.ts"

const rejection = (promise: Promise<unknown>): Effect.Effect<RoomkeyError> =>
  Effect.promise(async () => {
    const error = await promise.then((value) => assert.fail(`resolved with ${String(value)}`), (error) => error)
    assert.instanceOf(error, RoomkeyError)
    return error
  })

layer(Server.layer(), { excludeTestServices: true, timeout: "60 seconds" })("Auth", (it) => {
  it.effect("signs in, calls, and signs out here and at the server", () =>
    Effect.gen(function* () {
      const { adaId, auth: make } = yield* makeTenant
      const auth = make()
      assert.isNull(auth.session)
      assert.strictEqual((yield* rejection(auth.token())).code, "signed_out")

      const session = yield* Effect.promise(() => auth.login("ada", password))
      assert.strictEqual(session.user?.username, "ada")
      assert.deepEqual(auth.session, session)
      const me = yield* Effect.promise(() => auth.call<{ id: number }>("GET", "/api/me"))
      assert.strictEqual(me.id, adaId)
      const sessions = yield* Effect.promise(() => auth.call<Array<{ id: string }>>("GET", "/api/me/sessions"))
      assert.deepEqual(sessions.map(({ id }) => id), [session.id])

      const token = yield* Effect.promise(() => auth.token())
      const heard: Array<unknown> = []
      auth.onChange((...change) => heard.push(change))
      yield* Effect.promise(() => auth.logout())
      assert.isNull(auth.session)
      assert.deepEqual(heard, [[null, "signed_out"]])
      assert.strictEqual((yield* Server.call("GET", "/api/me", { bearer: token })).body.code, "invalid_token")
    }))

  it.effect("signs out here at once, and at the server also with a token that has ended, or says that it could not", () =>
    Effect.gen(function* () {
      const { apiKey, adaId, auth: make } = yield* makeTenant
      const calls = countedFetch()
      const auth = make({ fetch: calls.fetch })
      const { id } = yield* Effect.promise(() => auth.login("ada", password))
      yield* age(id as SessionId, 3700)
      const over = auth.logout()
      assert.isNull(auth.session)
      yield* Effect.promise(() => over)
      const { body } = yield* Server.call("GET", `/api/tenant/users/${adaId}/sessions`, { bearer: apiKey })
      assert.deepEqual(body, [])

      yield* Effect.promise(() => auth.login("ada", password))
      calls.failing = () => problem(503, "unavailable")
      assert.deepInclude(yield* rejection(auth.logout()), { code: "unavailable", retryable: true })
      assert.isNull(auth.session)
    }))

  it.effect("makes an account, and takes a pair that the tenant's backend got", () =>
    Effect.gen(function* () {
      const { apiKey, auth: make } = yield* makeTenant
      const auth = make()
      const grace = yield* Effect.promise(() => auth.register("grace", password))
      assert.strictEqual(grace.user?.username, "grace")
      const { body } = yield* Server.autoAuth(apiKey, { username: "joan" })
      assert.strictEqual(auth.adopt(body).user?.username, "joan")
      assert.strictEqual(yield* Effect.promise(() => auth.token()), body.token)
    }))

  it.effect("tells what the server says against a call, and where", () =>
    Effect.gen(function* () {
      const { auth: make } = yield* makeTenant
      const wrong = yield* rejection(make().login("ada", "not her password"))
      assert.deepInclude(wrong, { status: 401, code: "invalid_credentials", retryable: false })
      const invalid = yield* rejection(make().login("", password))
      assert.deepInclude(invalid, { status: 400, code: "invalid_request" })
      assert.deepEqual(invalid.errors.map(({ path }) => path), ["username"])

      const calls = countedFetch()
      calls.failing = () => problem(429, "rate_limited", { "retry-after": "7" })
      const limited = yield* rejection(make({ fetch: calls.fetch }).login("ada", password))
      assert.deepInclude(limited, { status: 429, code: "rate_limited", retryAfter: 7, retryable: true })
      calls.failing = () => Promise.resolve(new Response("<html>", { status: 502 }))
      const proxy = yield* rejection(make({ fetch: calls.fetch }).login("ada", password))
      assert.deepInclude(proxy, { status: 502, code: "unexpected", retryable: true })
      calls.failing = () => Promise.reject(new TypeError("fetch failed"))
      const away = yield* rejection(make({ fetch: calls.fetch }).login("ada", password))
      assert.deepInclude(away, { status: 0, code: "network", retryable: true })
    }))

  it.effect("refreshes once however many ask, and not before it is time", () =>
    Effect.gen(function* () {
      const { auth: make } = yield* makeTenant
      const clock = new ManualClock()
      const calls = countedFetch()
      const auth = make({ clock, fetch: calls.fetch })
      yield* Effect.promise(() => auth.login("ada", password))
      const first = yield* Effect.promise(() => auth.token())
      clock.advance(3_500_000)
      assert.strictEqual(yield* Effect.promise(() => auth.token()), first)
      assert.strictEqual(calls.count(refreshPath), 0)
      clock.advance(50_000)
      const tokens = yield* Effect.promise(() => Promise.all(Array.from({ length: 50 }, () => auth.token())))
      assert.strictEqual(new Set(tokens).size, 1)
      assert.notStrictEqual(tokens[0], first)
      assert.strictEqual(calls.count(refreshPath), 1)
      assert.strictEqual(auth.session?.user?.username, "ada")
    }))

  it.effect("refreshes once for all tabs, which then use the same token", () =>
    Effect.gen(function* () {
      const { auth: make } = yield* makeTenant
      const clock = new ManualClock()
      const calls = countedFetch()
      const storage = memoryStorage()
      const tabs = Array.from({ length: 8 }, () => make({ clock, storage, fetch: calls.fetch }))
      yield* Effect.promise(() => tabs[0]!.login("ada", password))
      clock.advance(3_590_000)
      const tokens = yield* Effect.promise(() => Promise.all(tabs.map((tab) => tab.token())))
      assert.strictEqual(calls.count(refreshPath), 1)
      assert.strictEqual(new Set(tokens).size, 1)
    }))

  it.effect("goes on without the lock when a frozen tab holds it", () =>
    Effect.gen(function* () {
      const { auth: make } = yield* makeTenant
      const clock = new ManualClock()
      const locks = {
        request: (_: string, { signal }: { readonly signal: AbortSignal }) =>
          new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
      }
      const auth = make({ clock, locks, storage: memoryStorage() })
      yield* Effect.promise(() => auth.login("ada", password))
      const refreshed = auth.refresh()
      clock.advance(35_000)
      const token = yield* Effect.promise(() => refreshed)
      assert.strictEqual(yield* Effect.promise(() => auth.token()), token)
    }))

  it.effect("asks again when the answer to a refresh is lost, and is still signed in", () =>
    Effect.gen(function* () {
      const { auth: make } = yield* makeTenant
      const calls = countedFetch()
      const auth = make({ fetch: calls.fetch })
      yield* Effect.promise(() => auth.login("ada", password))
      calls.failing = async (_, call) => {
        calls.failing = (_, call) => call()
        await call()
        throw new TypeError("fetch failed")
      }
      yield* Effect.promise(() => auth.refresh())
      assert.strictEqual(calls.count(refreshPath), 2)
      yield* Effect.promise(() => auth.call("GET", "/api/me"))
    }))

  it.effect("keeps the tokens while the server is away, limits or refuses", () =>
    Effect.gen(function* () {
      const { auth: make } = yield* makeTenant
      const clock = new ManualClock()
      const calls = countedFetch()
      const auth = make({ clock, fetch: calls.fetch })
      yield* Effect.promise(() => auth.login("ada", password))
      const token = yield* Effect.promise(() => auth.token())
      clock.advance(3_550_000)
      const refusals = [
        () => problem(503, "unavailable"),
        () => problem(429, "rate_limited"),
        () => Promise.reject(new TypeError("fetch failed"))
      ]
      for (const refusal of refusals) {
        calls.failing = refusal
        assert.strictEqual(yield* Effect.promise(() => auth.token()), token, "valid for some seconds more")
      }
      clock.advance(60_000)
      for (const refusal of [...refusals, () => problem(403, "tenant_suspended")]) {
        calls.failing = refusal
        yield* rejection(auth.token())
        assert.isNotNull(auth.session)
      }
      calls.failing = (_, call) => call()
      assert.notStrictEqual(yield* Effect.promise(() => auth.token()), token)
    }))

  it.effect("signs out when an old refresh token was presented", () =>
    Effect.gen(function* () {
      const { apiKey, auth: make } = yield* makeTenant
      const { body } = yield* Server.autoAuth(apiKey, { username: "ada" })
      const thief = make()
      const owner = make()
      thief.adopt(body)
      owner.adopt(body)
      yield* Effect.promise(() => thief.refresh())
      yield* Effect.promise(() => thief.refresh())
      const heard: Array<unknown> = []
      owner.onChange((...change) => heard.push(change))
      assert.strictEqual((yield* rejection(owner.refresh())).code, "refresh_token_reused")
      assert.isNull(owner.session)
      assert.deepEqual(heard, [[null, "refresh_token_reused"]])
    }))

  it.effect("signs out when the user is banned, and when the session was ended elsewhere", () =>
    Effect.gen(function* () {
      const { adaId, apiKey, auth: make } = yield* makeTenant
      const auth = make()
      const { id } = yield* Effect.promise(() => auth.login("ada", password))
      yield* Server.call("DELETE", `/api/tenant/sessions/${id}`, { bearer: apiKey })
      assert.strictEqual((yield* rejection(auth.call("GET", "/api/me"))).code, "invalid_refresh_token")
      assert.isNull(auth.session)

      yield* Effect.promise(() => auth.login("ada", password))
      yield* Server.call("PATCH", `/api/tenant/users/${adaId}`, { bearer: apiKey, json: { banned: true } })
      yield* rejection(auth.call("GET", "/api/me"))
      assert.isNull(auth.session)
    }))

  it.effect("refreshes and repeats a call whose token the server, by its own clock, no longer takes", () =>
    Effect.gen(function* () {
      const { auth: make } = yield* makeTenant
      const calls = countedFetch()
      const auth = make({ fetch: calls.fetch })
      const { id } = yield* Effect.promise(() => auth.login("ada", password))
      yield* age(id as SessionId, 3700)
      const me = yield* Effect.promise(() => auth.call<{ username: string }>("GET", "/api/me"))
      assert.strictEqual(me.username, "ada")
      assert.deepEqual(calls.paths.slice(1), ["/api/me", refreshPath, "/api/me"])
    }))

  it.effect("believes no expiry that a clock set back has moved away", () =>
    Effect.gen(function* () {
      const { auth: make } = yield* makeTenant
      const clock = new ManualClock()
      const calls = countedFetch()
      const auth = make({ clock, fetch: calls.fetch })
      yield* Effect.promise(() => auth.login("ada", password))
      clock.set(-86_400_000)
      yield* Effect.promise(() => auth.token())
      yield* Effect.promise(() => auth.token())
      assert.strictEqual(calls.count(refreshPath), 1)
    }))

  it.effect("hears of what another tab does, and never takes back a later sign-in", () =>
    Effect.gen(function* () {
      const { auth: make } = yield* makeTenant
      const items = memoryStorage()
      const watchers = new Set<() => void>()
      // As `localStorage` does it: a tab does not hear of what it wrote itself.
      const tab = (): TokenStorage => {
        let own: (() => void) | undefined
        const tellOthers = () => watchers.forEach((watcher) => watcher === own || watcher())
        return {
          getItem: items.getItem,
          setItem: (key, value) => (items.setItem(key, value), tellOthers()),
          removeItem: (key) => (items.removeItem(key), tellOthers()),
          onChange: (listener) => {
            own = listener
            watchers.add(listener)
            return () => void watchers.delete(listener)
          }
        }
      }
      const calls = countedFetch()
      const one = make({ storage: tab(), fetch: calls.fetch })
      const other = make({ storage: tab() })
      const heard: Array<string | undefined> = []
      const stop = other.onChange((session, code) => heard.push(session?.user?.username ?? code))
      yield* Effect.promise(() => one.login("ada", password))
      watchers.forEach((watcher) => watcher())
      yield* Effect.promise(() => one.logout())
      assert.deepEqual(heard, ["ada", "signed_out"])

      yield* Effect.promise(() => one.login("ada", password))
      calls.failing = async (_, call) => {
        calls.failing = (_, call) => call()
        const answer = await call()
        await other.register("grace", password)
        return answer
      }
      yield* Effect.promise(() => one.refresh())
      assert.strictEqual(one.session?.user?.username, "grace")
      stop()
      assert.strictEqual(watchers.size, 0)
    }))
})
