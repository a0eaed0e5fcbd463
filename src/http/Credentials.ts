// Where a request carries its credential.
import { Redacted } from "effect"
import { bearer } from "../api/Bearer.ts"

/** What of a request may carry a credential. */
export interface Presenting {
  readonly method: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

export type Presented =
  | { readonly _tag: "Missing" }
  | { readonly _tag: "Conflict" }
  | { readonly _tag: "Credential"; readonly credential: Redacted.Redacted; readonly inQuery: boolean }

const one = (found: ReadonlyArray<string>, inQuery: boolean): Presented => {
  const [first, ...rest] = found
  if (first === undefined) return { _tag: "Missing" }
  if (rest.some((other) => other !== first)) return { _tag: "Conflict" }
  return { _tag: "Credential", credential: Redacted.make(first), inQuery }
}

/** A session token in the header, or in the query of a GET. */
export const sessionToken = (
  request: Presenting,
  query: Readonly<Record<string, string | ReadonlyArray<string>>>
): Presented => {
  const header = bearer(request.headers.authorization)
  const readsQuery = request.method === "GET" || request.method === "HEAD"
  const param = readsQuery ? query.token : undefined
  if (param === undefined) return one(header === undefined ? [] : [header], false)
  const params = typeof param === "string" ? [param] : param
  return one(header === undefined ? params : [...params, header], true)
}

/** An API key or the admin key, in `Authorization: Bearer` or `X-API-Key`. */
export const secretKey = (request: Presenting): Presented =>
  one([bearer(request.headers.authorization), request.headers["x-api-key"]].filter((key) => key !== undefined), false)
