// What the attacks have in common: tenants and users made over the wire, and the answers they look at.
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"

export interface Tenant {
  readonly id: number
  readonly app_id: string
  readonly api_key: string
}

export interface Pair {
  readonly token: string
  readonly refresh_token: string
}

export interface SignedIn extends Pair {
  readonly user: { readonly id: number; readonly username: string }
}

export const password = "correct horse battery"

export const options = { excludeTestServices: true, timeout: "60 seconds" } as const

export const makeTenant = Effect.gen(function* () {
  const answer = yield* call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Voice" } })
  assert.strictEqual(answer.status, 201, answer.text)
  return answer.body as Tenant
})

export const signIn = Effect.fn("signIn")(function* (tenant: Tenant, username = "ada") {
  const answer = yield* Server.autoAuth(tenant.api_key, { username })
  assert.strictEqual(answer.status, 200, answer.text)
  return answer.body as SignedIn
})

export const createUser = Effect.fn("createUser")(function* (tenant: Tenant, username = "ada") {
  const answer = yield* call("POST", "/api/tenant/users", { bearer: tenant.api_key, json: { username, password } })
  assert.strictEqual(answer.status, 201, answer.text)
  return answer.body as { readonly id: number }
})

export const refresh = (refresh_token: string) => call("POST", "/api/token/refresh", { json: { refresh_token } })

export const refreshed = Effect.fn("refreshed")(function* (refresh_token: string) {
  const answer = yield* refresh(refresh_token)
  assert.strictEqual(answer.status, 200, answer.text)
  return answer.body as Pair
})

export const me = (token: string) => call("GET", "/api/me", { bearer: token })

export const login = (app_id: string, username: string, password: string) =>
  call("POST", "/api/auth/token", { json: { app_id, username, password } })

export const setPassword = (tenant: Tenant, userId: number | string, password: string) =>
  call("PUT", `/api/tenant/users/${userId}/password`, { bearer: tenant.api_key, json: { password } })

/** The id half of a token, as its session's row has it. */
export const sessionIdOf = (token: string): string =>
  token.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")

export const isProblem = (answer: Server.Answer, status: number, code: string, message = answer.text): void =>
  assert.deepEqual([answer.status, answer.body?.code], [status, code], message)

/** What an answer tells: without what differs between any two answers. */
export const shown = (answer: Server.Answer) => ({
  status: answer.status,
  text: answer.text,
  headers: [...answer.headers].filter(([name]) => name !== "date" && name !== "x-request-id")
})
