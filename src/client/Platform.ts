// What the client takes from where it runs, by the least that it needs of it: browsers, Node and Deno all fit, and so
// does a test's own.

/** The part of `fetch` that is used. */
export type Fetch = (url: string, init: {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body?: string
  readonly signal: AbortSignal
}) => Promise<{
  readonly status: number
  readonly headers: { get(name: string): string | null }
  text(): Promise<string>
}>

/** The part of a `WebSocket` that is used. */
export interface Socket {
  send(data: string): void
  close(code?: number, reason?: string): void
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void
  addEventListener(type: "close", listener: (event: { readonly code: number; readonly reason: string }) => void): void
  addEventListener(type: "error", listener: () => void): void
}

export type SocketConstructor = new (url: string, protocols: Array<string>) => Socket

/** Time, and timers whose answer cancels them. */
export interface Clock {
  /** Milliseconds of the Unix epoch. */
  now(): number
  setTimeout(callback: () => void, milliseconds: number): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, milliseconds) => {
    const timer = setTimeout(callback, milliseconds)
    return () => clearTimeout(timer)
  }
}

/** The part of the Web Locks API (`navigator.locks`) that is used. */
export interface Locks {
  request<A>(name: string, options: { readonly signal: AbortSignal }, callback: () => Promise<A>): Promise<A>
}

const tails = new Map<string, Promise<unknown>>()

/** Holds within this process only: where there are no Web Locks. */
const processLocks: Locks = {
  request: async (name, _, callback) => {
    const before = tails.get(name)
    const turn = (async () => {
      await before
      return callback()
    })()
    const tail = turn.catch(() => undefined)
    tails.set(name, tail)
    try {
      return await turn
    } finally {
      if (tails.get(name) === tail) tails.delete(name)
    }
  }
}

export const defaultLocks = (): Locks =>
  (globalThis as { readonly navigator?: { readonly locks?: Locks } }).navigator?.locks ?? processLocks
