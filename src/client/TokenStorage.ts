// Where the tokens are kept between two starts of a page. What is stored is the truth: other tabs write it too.

/** `localStorage`, or anything that has its three methods. */
export interface TokenStorage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
  /** Calls `listener` when somebody else, another tab for one, has written; the answer stops that. */
  onChange?(listener: () => void): () => void
}

/** Forgets everything with the process. The default outside of browsers. */
export const memoryStorage = (): TokenStorage => {
  const items = new Map<string, string>()
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key)
  }
}

interface Page {
  readonly document?: unknown
  readonly localStorage: TokenStorage
  addEventListener(type: "storage", listener: () => void): void
  removeEventListener(type: "storage", listener: () => void): void
}

/** The page's `localStorage`; `undefined` where there is no page, or the page may not store. */
export const pageStorage = (): TokenStorage | undefined => {
  const page = globalThis as unknown as Page
  if (page.document === undefined) return undefined
  try {
    const { localStorage } = page
    localStorage.setItem("roomkey:probe", "")
    localStorage.removeItem("roomkey:probe")
    return {
      getItem: (key) => localStorage.getItem(key),
      setItem: (key, value) => localStorage.setItem(key, value),
      removeItem: (key) => localStorage.removeItem(key),
      onChange: (listener) => {
        page.addEventListener("storage", listener)
        return () => page.removeEventListener("storage", listener)
      }
    }
  } catch {
    return undefined
  }
}

/** A signed-in user's tokens as they are kept. */
export interface Stored {
  readonly token: string
  readonly refreshToken: string
  /** By the clock of this machine, so only compared with that. */
  readonly expiresAt: number
  /** The whole life of the session token in milliseconds. */
  readonly life: number
  readonly user: unknown
}

/** What is stored, unless it is not ours. */
export const parse = (text: string | null): Stored | null => {
  if (text === null) return null
  try {
    const stored = JSON.parse(text)
    const isOurs = typeof stored?.token === "string" && typeof stored.refreshToken === "string" &&
      Number.isFinite(stored.expiresAt) && Number.isFinite(stored.life)
    return isOurs ? stored : null
  } catch {
    return null
  }
}
