// The whole service in this process, on a port of its own, spoken to over real sockets.
import { Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { Redacted } from "effect"
import * as Server from "../../src/server/Server.ts"
import * as Database from "./Database.ts"
import * as World from "./World.ts"

export const layer = (overrides: Record<string, string> = {}) =>
  Layer.unwrap(Effect.map(World.config(overrides), Server.layerNoDatabase)).pipe(
    Layer.provideMerge(Database.layer)
  )

export const baseUrl = Effect.map(HttpServer.HttpServer, ({ address }) => {
  if (address._tag === "UnixPathAddress") throw new Error("the test server listens on TCP")
  return `http://127.0.0.1:${address.port}`
})

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read answers as a client without types would
  readonly body: any
  readonly text: string
}

export interface Call {
  readonly bearer?: string | Redacted.Redacted | undefined
  readonly headers?: Record<string, string>
  readonly json?: unknown
  readonly body?: string | Uint8Array<ArrayBuffer>
}

/** One call, over the wire; any answer is an answer. */
export const call = Effect.fn("call")(function* (method: string, path: string, options: Call = {}) {
  const url = (yield* baseUrl) + path
  const headers = new Headers(options.headers)
  if (options.bearer !== undefined) {
    const credential = typeof options.bearer === "string" ? options.bearer : Redacted.value(options.bearer)
    headers.set("authorization", `Bearer ${credential}`)
  }
  const body = options.json === undefined ? options.body : JSON.stringify(options.json)
  if (body !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json")
  return yield* Effect.promise(async (signal): Promise<Answer> => {
    const response = await fetch(url, { method, headers, signal, ...(body === undefined ? {} : { body }) })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get("content-type") ?? "")
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson && text !== "" ? JSON.parse(text) : undefined
    }
  })
})

/** `POST /api/auth/auto` for `username`. */
export const autoAuth = (apiKey: string | Redacted.Redacted, profile: { readonly username: string }) =>
  call("POST", "/api/auth/auto", { bearer: apiKey, json: profile })
