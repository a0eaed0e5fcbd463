// What the client is tested with: a clock that a test moves, a tenant with a user, and calls that are counted or fail.
import { Effect, Redacted } from "effect"
import { type Auth, type AuthOptions, type Clock, createAuth, type Fetch } from "../../src/client/index.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"

export const password = "correct horse battery"

export class ManualClock implements Clock {
  #now = Date.now()
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>()

  now = () => this.#now

  setTimeout = (callback: () => void, milliseconds: number) => {
    const timer = { at: this.#now + milliseconds, callback }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  /** How far off each timer is, the nearest first. */
  get pending(): ReadonlyArray<number> {
    return [...this.#timers].map(({ at }) => at - this.#now).sort((a, b) => a - b)
  }

  advance(milliseconds: number): void {
    const until = this.#now + milliseconds
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.#now = Math.max(this.#now, due.at)
      due.callback()
    }
    this.#now = until
  }

  /** Somebody sets the clock, without time passing. */
  set(change: number): void {
    this.#now += change
  }
}

/** The real `fetch`, counted by path; `failing` may answer, or lose an answer, in its place. */
export const countedFetch = () => {
  const paths: Array<string> = []
  const real: Fetch = (url, init) => globalThis.fetch(url, init)
  const counted = {
    paths,
    count: (path: string) => paths.filter((called) => called === path).length,
    failing: (_path: string, call: () => ReturnType<Fetch>): ReturnType<Fetch> => call(),
    fetch: ((url, init) => {
      const path = new URL(url).pathname
      paths.push(path)
      return counted.failing(path, () => real(url, init))
    }) as Fetch
  }
  return counted
}

export const refreshPath = "/api/token/refresh"

/** An answer as Roomkey gives it. */
export const problem = (status: number, code: string, headers: Record<string, string> = {}): ReturnType<Fetch> =>
  Promise.resolve(new Response(JSON.stringify({ status, code, title: code }), { status, headers }))

/** A tenant that lets users register, with the user ada. */
export const makeTenant = Effect.gen(function* () {
  const { body } = yield* Server.call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Voice" } })
  const apiKey = Redacted.make(body.api_key as string)
  yield* Server.call("PATCH", "/api/tenant", { bearer: apiKey, json: { registration_enabled: true } })
  const ada = yield* Server.call("POST", "/api/tenant/users", { bearer: apiKey, json: { username: "ada", password } })
  const baseUrl = yield* Server.baseUrl
  return {
    apiKey,
    adaId: ada.body.id as number,
    appId: body.app_id as string,
    baseUrl,
    auth: (options: Partial<AuthOptions> = {}): Auth => createAuth({ baseUrl, appId: body.app_id, ...options })
  }
})
