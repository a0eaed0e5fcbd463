// What a handshake may say before it is a socket: where its credential is, and from which page it comes. Headers are hostile
// input: they are split by hand and in linear time.
import { bearer } from "../api/Bearer.ts"

/** The subprotocol that the answer selects. The one that carries the token is never selected, so never echoed. */
export const subprotocol = "roomkey.v1"

const tokenProtocol = "roomkey.bearer."

export interface Presentation {
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly searchParams: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}

export type Presented<Kept> =
  | { readonly _tag: "Missing" }
  | { readonly _tag: "Conflict" }
  | { readonly _tag: "Token"; readonly token: Kept; readonly inQuery: boolean }
  | { readonly _tag: "Ticket"; readonly ticket: Kept }

/**
 * One session token, from wherever it is, in several places perhaps; or one ticket and nothing beside it. What is kept of
 * the secret is what `keep` makes of it.
 */
export const presented = <Kept>(
  { headers, searchParams }: Presentation,
  keep: (secret: string) => Kept
): Presented<Kept> => {
  // Another scheme is a token too, of which none is valid: a refusal must not depend on what else is presented.
  const inHeader = bearer(headers["authorization"])
  const tickets = inQuery(searchParams["ticket"])
  const queryTokens = inQuery(searchParams["token"])
  const found = [
    ...queryTokens,
    ...(inHeader === undefined ? [] : [inHeader]),
    ...inProtocols(headers["sec-websocket-protocol"])
  ]
  const [ticket] = tickets
  if (ticket !== undefined) {
    return tickets.length + found.length > 1 ? { _tag: "Conflict" } : { _tag: "Ticket", ticket: keep(ticket) }
  }
  const [first, ...others] = found
  if (first === undefined) return { _tag: "Missing" }
  if (others.some((other) => other !== first)) return { _tag: "Conflict" }
  return { _tag: "Token", token: keep(first), inQuery: queryTokens.length > 0 }
}

const inQuery = (param: string | ReadonlyArray<string> | undefined): ReadonlyArray<string> => {
  if (param === undefined) return []
  return typeof param === "string" ? [param] : param
}

/** Only beside `roomkey.v1`: a browser refuses an answer that selects none of the protocols it offered. */
const inProtocols = (header: string | undefined): ReadonlyArray<string> => {
  if (header === undefined) return []
  const offered = header.split(",").map((protocol) => protocol.trim())
  if (!offered.includes(subprotocol)) return []
  return offered
    .filter((protocol) => protocol.startsWith(tokenProtocol))
    .map((protocol) => protocol.slice(tokenProtocol.length))
}

/**
 * Whether a page from `origin` may open a socket for a tenant that lists `allowedOrigins`. Native apps send no `Origin`,
 * and a page cannot leave it out.
 */
export const originAllowed = (allowedOrigins: ReadonlyArray<string>, origin: string | undefined): boolean => {
  if (allowedOrigins.length === 0 || origin === undefined) return true
  const wanted = origin.toLowerCase()
  return allowedOrigins.some((allowed) => allowed.toLowerCase() === wanted)
}

const key = /^[+/0-9A-Za-z]{22}==$/
const tokenChars = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** What is wrong with a handshake (RFC 6455 section 4.2.1), if anything: told before the library tells it in HTML. */
export const handshakeProblem = (method: string, headers: Presentation["headers"]): string | undefined => {
  const has = (name: string, value: string) =>
    (headers[name] ?? "").split(",").some((part) => part.trim().toLowerCase() === value)
  if (method !== "GET" || !has("upgrade", "websocket") || !has("connection", "upgrade")) {
    return "Expected a WebSocket handshake"
  }
  if (!key.test(headers["sec-websocket-key"] ?? "")) return "Expected a Sec-WebSocket-Key of 16 bytes"
  if (headers["sec-websocket-version"] !== "13") return "Expected Sec-WebSocket-Version 13"
  const protocols = headers["sec-websocket-protocol"]?.split(",").map((protocol) => protocol.trim()) ?? []
  if (protocols.some((protocol) => !tokenChars.test(protocol)) || new Set(protocols).size !== protocols.length) {
    return "Expected different subprotocols, each a token"
  }
  return undefined
}
