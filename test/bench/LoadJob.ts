// What LoadWorker is told, and what it answers.
export interface HttpJob {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  /** Seconds of asking before those, until as much is under way as will be. */
  readonly settle?: number
  /** Whole requests, taken in turn. */
  readonly requests: ReadonlyArray<string>
  /** The status that counts; another is an error. */
  readonly status: number
  /** Instead of `requests`: each connection trades the refresh tokens of its own share, in turn, for the next ones. */
  readonly refresh?: { readonly path: string; readonly tokens: ReadonlyArray<string> }
  /** Send each request once, instead of for `seconds`, and answer the bodies. */
  readonly once?: boolean
}

export interface HttpDone {
  readonly answers: number
  /** How many of them came in the job's `seconds`, after it had settled. The percentiles are of these. */
  readonly inTime: number
  readonly errors: number
  /** What the first error was answered. */
  readonly error: string
  /** Seconds until the last answer. */
  readonly elapsed: number
  readonly p50: number
  readonly p99: number
  /** Seconds of processor time of this process. */
  readonly cpu: number
  readonly tokens: ReadonlyArray<string>
  readonly bodies: ReadonlyArray<string>
}

export const percentile = (sorted: ArrayLike<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN

export const request = (method: string, path: string, bearer?: string, json?: unknown): string => {
  const body = json === undefined ? "" : JSON.stringify(json)
  return `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n` +
    (bearer === undefined ? "" : `Authorization: Bearer ${bearer}\r\n`) +
    (json === undefined ? "" : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`) +
    `\r\n${body}`
}
