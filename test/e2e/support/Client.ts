// What a tenant's backend and its apps do, without types: HTTP calls and WebSockets.
import * as NodeWS from "@effect/platform-node/NodeWS"
import { once } from "node:events"
import { request } from "node:http"
import { text as streamText } from "node:stream/consumers"
import { setTimeout } from "node:timers/promises"
import { adminKey } from "./Process.ts"

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read answers as a client without types would
  readonly body: any
  readonly text: string
}

export interface Target {
  readonly url: string
}

/** One call; any answer is an answer, none within `timeout` milliseconds is an error. */
export const call = async (
  target: Target,
  method: string,
  path: string,
  options: { readonly bearer?: string; readonly json?: unknown; readonly timeout?: number } = {}
): Promise<Answer> => {
  const response = await fetch(target.url + path, {
    method,
    signal: AbortSignal.timeout(options.timeout ?? 15_000),
    headers: {
      ...(options.bearer === undefined ? {} : { authorization: `Bearer ${options.bearer}` }),
      ...(options.json === undefined ? {} : { "content-type": "application/json" })
    },
    ...(options.json === undefined ? {} : { body: JSON.stringify(options.json) })
  })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get("content-type") ?? "") && text !== ""
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined }
}

/** The answer, which must have `status`. */
export const expectStatus = (status: number, answer: Answer): Answer => {
  if (answer.status !== status) throw new Error(`expected ${status}, got ${answer.status}: ${answer.text}`)
  return answer
}

export interface Pair {
  readonly token: string
  readonly refresh_token: string
  readonly expires_in: number
}

export interface Tenant {
  readonly id: number
  readonly app_id: string
  readonly api_key: string
}

export const makeTenant = async (target: Target): Promise<Tenant> =>
  expectStatus(201, await call(target, "POST", "/api/admin/tenants", { bearer: adminKey, json: { name: "E2E" } })).body

export const signIn = async (target: Target, apiKey: string, username: string): Promise<Pair> =>
  expectStatus(200, await call(target, "POST", "/api/auth/auto", { bearer: apiKey, json: { username } })).body

export const refresh = (target: Target, refreshToken: string): Promise<Answer> =>
  call(target, "POST", "/api/token/refresh", { json: { refresh_token: refreshToken } })

export const me = (target: Target, token: string): Promise<Answer> => call(target, "GET", "/api/me", { bearer: token })

export const logout = (target: Target, token: string): Promise<Answer> =>
  call(target, "POST", "/api/logout", { bearer: token })

/** Asks `path` until it answers `status`, every 50 ms and for `seconds` at most. */
export const poll = async (target: Target, path: string, status: number, seconds = 10): Promise<Answer> => {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    const answer = await call(target, "GET", path, { timeout: 5000 }).catch((error: unknown) => error)
    const last = answer instanceof Error ? `${answer.message} (${String(answer.cause)})` : (answer as Answer).text
    if (!(answer instanceof Error) && (answer as Answer).status === status) return answer as Answer
    if (performance.now() > deadline) throw new Error(`${path} did not answer ${status} in ${seconds} s: ${last}`)
    await setTimeout(50)
  }
}

/** Asks until the answer is yes. */
export const eventually = async (seconds: number, what: string, ask: () => Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + seconds * 1000
  while (!(await ask())) {
    if (performance.now() > deadline) throw new Error(`${what} was not so in ${seconds} s`)
    await setTimeout(50)
  }
}

export interface Closed {
  readonly code: number
  readonly reason: string
  /** By `performance.now()`. */
  readonly at: number
}

export interface OpenSocket {
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  readonly ready: any
  readonly closed: Promise<Closed>
  readonly isClosed: () => boolean
  readonly send: (frame: unknown) => void
  readonly next: () => Promise<unknown>
  readonly terminate: () => void
}

/** A WebSocket whose first frame, `ready`, has come. */
export const openSocket = async (target: Target, token: string): Promise<OpenSocket> => {
  const socket = new NodeWS.WebSocket(`${target.url.replace(/^http/, "ws")}/ws?token=${token}`)
  let isClosed = false
  const closed = once(socket, "close").then(([code, reason]): Closed => {
    isClosed = true
    return { code, reason: String(reason), at: performance.now() }
  })
  // A handshake that is refused fails `next` below; that it never closes is no failure of its own.
  closed.catch(() => undefined)
  const next = async () => JSON.parse(String((await once(socket, "message", { signal: AbortSignal.timeout(5000) }))[0]))
  const ready = await next()
  return {
    ready,
    closed,
    isClosed: () => isClosed,
    send: (frame) => socket.send(JSON.stringify(frame)),
    next,
    terminate: () => socket.terminate()
  }
}

/** `promise`, or an error that names `what` when it takes longer than `seconds`. */
export const within = async <A>(seconds: number, what: string, promise: Promise<A>): Promise<A> => {
  const timer = new AbortController()
  const late = setTimeout(seconds * 1000, undefined, { signal: timer.signal }).then(
    () => Promise.reject(new Error(`${what} took more than ${seconds} s`))
  )
  late.catch(() => undefined)
  try {
    return await Promise.race([promise, late])
  } finally {
    timer.abort()
  }
}

/** What a WebSocket handshake that is refused is answered; 101 when it is not. */
export const handshake = (target: Target, token: string): Promise<Answer> =>
  handshakeAt(target, "/ws", { authorization: `Bearer ${token}` })

/** `handshake`, with a ticket. */
export const handshakeByTicket = (target: Target, ticket: string): Promise<Answer> =>
  handshakeAt(target, `/ws?ticket=${ticket}`)

const handshakeAt = async (target: Target, path: string, headers: Record<string, string> = {}): Promise<Answer> => {
  const { hostname, port } = new URL(target.url)
  const sent = request({
    hostname,
    port,
    path,
    headers: {
      ...headers,
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="
    }
  })
  sent.end()
  const [response, socket] = await Promise.race([once(sent, "response"), once(sent, "upgrade")])
  socket?.destroy()
  const text = socket === undefined ? await streamText(response) : ""
  return {
    status: response.statusCode,
    headers: new Headers(response.headers as Record<string, string>),
    text,
    body: text === "" ? undefined : JSON.parse(text)
  }
}
