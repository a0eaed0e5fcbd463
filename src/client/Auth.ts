// Who is signed in, and a session token that works. Refreshing happens once however many ask, in this page and in all
// tabs; the tokens are given up only when the server says that they are worthless.
import type { SignedIn, TokenPair } from "../api/Sessions.ts"
import type { User } from "../api/User.ts"
import { RoomkeyError, signedOut, toError } from "./Errors.ts"
import { type Clock, defaultLocks, type Fetch, type Locks, systemClock } from "./Platform.ts"
import { memoryStorage, pageStorage, parse, type Stored, type TokenStorage } from "./TokenStorage.ts"

export interface AuthOptions {
  /** Where Roomkey answers: `https://voice.example`. */
  readonly baseUrl: string
  /** The tenant's public app id; needed by `login` and `register` only. */
  readonly appId?: string
  /** Where tokens are kept; by default `localStorage` in a page and memory elsewhere. */
  readonly storage?: TokenStorage
  /** The name in the storage and of the lock; one per signed-in user of a storage. */
  readonly key?: string
  readonly fetch?: Fetch
  /** By default `navigator.locks`, or, without it, locks of this process. */
  readonly locks?: Locks
  readonly clock?: Clock
}

export interface Session {
  /** The session's id, as `GET /api/me/sessions` lists it. */
  readonly id: string
  /** `null` after `adopt` without one. */
  readonly user: typeof User.Type | null
  /** When the session token ends, by this machine's clock. It is refreshed before. */
  readonly expiresAt: number
}

/** A token pair as `POST /api/auth/auto` answers it, with or without its user. */
export type Tokens = typeof TokenPair.Type & { readonly user?: typeof User.Type }

/** Hears of every change: `null` when signed out, with the code that says why, where it is known. */
export type SessionListener = (session: Session | null, code?: string) => void

export interface Auth {
  readonly baseUrl: string
  /** Who is signed in, as far as is known here. */
  readonly session: Session | null

  /**
   * Signs in with a password.
   *
   * @param username of the user in the app's tenant
   * @param password as it was typed
   * @example
   * ```ts
   * const { user } = await auth.login("ada", "correct horse battery")
   * console.log(user?.username)
   * ```
   */
  login(username: string, password: string): Promise<Session>

  /**
   * Makes an account and signs it in, where the tenant allows it.
   *
   * @param username that nobody has yet
   * @param password that the tenant's rules let pass
   * @example
   * ```ts
   * const { user } = await auth.register("grace", "nanoseconds of wire")
   * console.log(user?.username)
   * ```
   */
  register(username: string, password: string): Promise<Session>

  /**
   * Signs in with a pair that the tenant's backend got from `POST /api/auth/auto`.
   *
   * @param tokens as the server answered them, just now: `expires_in` counts from this call
   * @example
   * ```ts
   * const tokens = await tokensFromMyBackend()
   * const session = auth.adopt(tokens)
   * console.log(session.id)
   * ```
   */
  adopt(tokens: Tokens): Session

  /**
   * A session token that is valid now, refreshed when it is about to end.
   *
   * @example
   * ```ts
   * const token = await auth.token()
   * await fetch(`${auth.baseUrl}/api/me`, { headers: { authorization: `Bearer ${token}` } })
   * ```
   */
  token(): Promise<string>

  /**
   * The next session token, unless somebody has refreshed already.
   *
   * @param stale the token to be replaced; by default whichever is held
   * @example
   * ```ts
   * const next = await auth.refresh()
   * ```
   */
  refresh(stale?: string): Promise<string>

  /**
   * An authorized call; a token that the server no longer takes is refreshed once, and the call repeated.
   *
   * @param method of HTTP
   * @param path under the base URL
   * @param body sent as JSON
   * @returns the answer's JSON; `undefined` when it has none
   * @example
   * ```ts
   * const channel = await auth.call("POST", "/api/channels", { name: "Lobby" })
   * ```
   */
  call<A = unknown>(method: string, path: string, body?: unknown): Promise<A>

  /**
   * Ends the session. Here it is forgotten at once; rejects when the server could not be told, where the session then
   * ends by itself.
   *
   * @example
   * ```ts
   * await auth.logout()
   * ```
   */
  logout(): Promise<void>

  /**
   * Forgets the tokens, here and in the other tabs, without a word to the server.
   *
   * @param code what listeners are told
   * @example
   * ```ts
   * auth.forget("signed_out")
   * ```
   */
  forget(code: string): void

  /**
   * Calls `listener` on every sign-in, refresh and sign-out, those in other tabs included.
   *
   * @param listener hears the session, or `null` and why
   * @returns stops that
   * @example
   * ```ts
   * const stop = auth.onChange((session, code) => console.log(session?.user?.username ?? `Signed out: ${code}`))
   * stop()
   * ```
   */
  onChange(listener: SessionListener): () => void
}

/** How long a call may take, and how long another tab may hold the lock, in milliseconds. */
const patience = { call: 15_000, lock: 35_000 }

const refreshPath = "/api/token/refresh"

/** The server does not take this session token; the next one it may. */
const isStale = (error: unknown): boolean => ["token_expired", "invalid_token"].includes(toError(error).code)

/** How long before its end a token counts as ended, in milliseconds. */
const leeway = (life: number): number => Math.min(60_000, life / 4)

const idOf = (token: string): string =>
  [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]].map(([from, to]) => token.slice(from, to)).join("-")

const toSession = (stored: Stored): Session => ({
  id: idOf(stored.token),
  user: stored.user as Session["user"],
  expiresAt: stored.expiresAt
})

const toStored = (tokens: Tokens, asOf: number, user: unknown): Stored => {
  const life = Math.max(0, tokens.expires_in) * 1000
  return { token: tokens.token, refreshToken: tokens.refresh_token, expiresAt: asOf + life, life, user }
}

const problemOf = (status: number, text: string, retryAfter: string | null): RoomkeyError => {
  const seconds = retryAfter === null || retryAfter.trim() === "" ? NaN : Number(retryAfter)
  const wait = Number.isFinite(seconds) ? Math.max(0, seconds) : undefined
  try {
    const { code, detail, errors, title } = JSON.parse(text)
    if (typeof code === "string") {
      return new RoomkeyError({ status, code, detail: detail ?? title ?? code, errors, retryAfter: wait })
    }
  } catch {
    // Something between here and Roomkey answered.
  }
  return new RoomkeyError({ status, code: "unexpected", detail: `Status ${status}`, retryAfter: wait })
}

/**
 * Makes the part of the client that signs in and keeps the session token fresh.
 *
 * @param options where Roomkey is, and for whom
 * @example
 * ```ts
 * import { createAuth } from "roomkey/client"
 *
 * const auth = createAuth({ baseUrl: "https://voice.example", appId: "vc_app_…" })
 * await auth.login("ada", "correct horse battery")
 * const me = await auth.call("GET", "/api/me")
 * ```
 */
export const createAuth = (options: AuthOptions): Auth => {
  const { appId, clock = systemClock, fetch = (url, init) => globalThis.fetch(url, init), key = "roomkey" } = options
  const baseUrl = options.baseUrl.replace(/\/+$/, "")
  const shared = options.storage ?? pageStorage()
  const storage = shared ?? memoryStorage()
  const locks = options.locks ?? (shared === undefined ? undefined : defaultLocks())
  const listeners = new Set<SessionListener>()
  let known = storage.getItem(key)
  let refreshing: Promise<Stored> | undefined
  let stopWatching: (() => void) | undefined

  const read = () => parse(storage.getItem(key))

  const tell = (session: Session | null, code?: string) => {
    for (const listener of listeners) listener(session, code)
  }

  const write = (stored: Stored): Session => {
    known = JSON.stringify(stored)
    storage.setItem(key, known)
    const session = toSession(stored)
    tell(session)
    return session
  }

  const forget = (code: string) => {
    if (read() === null) return
    known = null
    storage.removeItem(key)
    tell(null, code)
  }

  const written = () => {
    const text = storage.getItem(key)
    if (text === known) return
    known = text
    const stored = parse(text)
    if (stored === null) tell(null, "signed_out")
    else tell(toSession(stored))
  }

  const send = async (method: string, path: string, body?: unknown, token?: string): Promise<unknown> => {
    const aborter = new AbortController()
    const cancel = clock.setTimeout(() => aborter.abort(), patience.call)
    try {
      const response = await fetch(baseUrl + path, {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" })
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: aborter.signal
      })
      const text = await response.text()
      if (response.status < 200 || response.status > 299) {
        throw problemOf(response.status, text, response.headers.get("retry-after"))
      }
      return text === "" ? undefined : JSON.parse(text)
    } catch (error) {
      if (error instanceof RoomkeyError) throw error
      // The parser's own message quotes the answer, which may hold a token.
      if (error instanceof SyntaxError) throw new RoomkeyError({ code: "unexpected", detail: "Expected JSON" })
      throw new RoomkeyError({ code: "network", detail: `${baseUrl} does not answer`, cause: error })
    } finally {
      cancel()
    }
  }

  const signIn = async (path: string, username: string, password: string): Promise<Session> => {
    const asked = clock.now()
    const answer = await send("POST", path, { app_id: appId, username, password }) as typeof SignedIn.Type
    return write(toStored(answer, asked, answer.user))
  }

  /** Every turn reads the storage again: another tab may have refreshed, or signed out. */
  const renew = async (stale: string): Promise<Stored> => {
    for (let retried = false;;) {
      const held = read()
      if (held === null) throw signedOut()
      if (held.token !== stale) return held
      const asked = clock.now()
      try {
        const pair = await send("POST", refreshPath, { refresh_token: held.refreshToken })
        // Who signed out or in meanwhile was later than this answer.
        if (read()?.refreshToken !== held.refreshToken) continue
        const next = toStored(pair as Tokens, asked, held.user)
        write(next)
        return next
      } catch (thrown) {
        const error = toError(thrown)
        const unchanged = read()?.refreshToken === held.refreshToken
        if (error.endsSession && !unchanged) continue
        if (error.endsSession) forget(error.code)
        // The answer may have been lost: the same refresh token gives the same pair again.
        if (error.code !== "network" || retried) throw error
        retried = true
      }
    }
  }

  /** A tab that was frozen while it held the lock holds nobody up: two refreshes at once are safe, only wasteful. */
  const exclusively = async (work: () => Promise<Stored>): Promise<Stored> => {
    if (locks === undefined) return work()
    const waiting = new AbortController()
    const cancel = clock.setTimeout(() => waiting.abort(), patience.lock)
    let granted = false
    try {
      return await locks.request(`roomkey:${key}`, { signal: waiting.signal }, () => {
        granted = true
        cancel()
        return work()
      })
    } catch (error) {
      if (granted || !waiting.signal.aborted) throw error
      return work()
    }
  }

  const refreshed = async (stale: string): Promise<Stored> => {
    refreshing ??= exclusively(() => renew(stale)).finally(() => {
      refreshing = undefined
    })
    const next = await refreshing
    return next.token === stale ? refreshed(stale) : next
  }

  const token = async (): Promise<string> => {
    const held = read()
    if (held === null) throw signedOut()
    const left = held.expiresAt - clock.now()
    const early = leeway(held.life)
    // More left than there ever was: the clock was set back, and says nothing of this token.
    const trusted = left <= held.life + early
    if (trusted && left > early) return held.token
    try {
      return (await refreshed(held.token)).token
    } catch (error) {
      if (trusted && left > 0 && toError(error).retryable) return held.token
      throw error
    }
  }

  const refresh = async (stale?: string): Promise<string> => {
    const held = read()
    if (held === null) throw signedOut()
    return (await refreshed(stale ?? held.token)).token
  }

  const authorized = async (method: string, path: string, body: unknown, bearer: string): Promise<unknown> => {
    try {
      return await send(method, path, body, bearer)
    } catch (error) {
      if (toError(error).code === "user_banned" && read()?.token === bearer) forget("user_banned")
      throw error
    }
  }

  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const bearer = await token()
    try {
      return await authorized(method, path, body, bearer)
    } catch (error) {
      // Whether a token that is unknown by now means the end of the session, its refresh decides.
      if (!isStale(error)) throw error
      return authorized(method, path, body, await refresh(bearer))
    }
  }

  /** First here, so that the socket is gone before the server closes it and nothing tries to come back. */
  const logout = async (): Promise<void> => {
    const held = read()
    if (held === null) return
    forget("signed_out")
    try {
      await send("POST", "/api/logout", undefined, held.token)
    } catch (error) {
      if (!isStale(error)) throw error
      try {
        const { token } = await send("POST", refreshPath, { refresh_token: held.refreshToken }) as Tokens
        await send("POST", "/api/logout", undefined, token)
      } catch (error) {
        if (!toError(error).endsSession) throw error
      }
    }
  }

  return {
    baseUrl,
    get session() {
      const stored = read()
      return stored === null ? null : toSession(stored)
    },
    login: (username, password) => signIn("/api/auth/token", username, password),
    register: (username, password) => signIn("/api/register", username, password),
    adopt: (tokens) => write(toStored(tokens, clock.now(), tokens.user ?? null)),
    token,
    refresh,
    call: <A>(method: string, path: string, body?: unknown) => call(method, path, body) as Promise<A>,
    logout,
    forget,
    onChange: (listener) => {
      // A set knows one function once; two who pass the same one stop apart.
      const own: SessionListener = (session, code) => listener(session, code)
      if (listeners.size === 0) {
        known = storage.getItem(key)
        stopWatching = storage.onChange?.(written)
      }
      listeners.add(own)
      return () => {
        if (listeners.delete(own) && listeners.size === 0) stopWatching?.()
      }
    }
  }
}
