// /docs in a real browser that can reach nothing but this machine: the page brings all it needs.
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { runtime, start, tempDir } from "./support/Process.ts"

const chromium = process.env["ROOMKEY_CHROMIUM"] ?? "/usr/bin/chromium"

/** Runs Chromium to the end, and answers what it printed. */
const browse = async (profile: string, url: string, ...flags: ReadonlyArray<string>) => {
  const { stdout } = await promisify(execFile)(
    chromium,
    [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
      `--user-data-dir=${profile}`,
      "--virtual-time-budget=3000",
      ...flags,
      url
    ],
    { timeout: 60_000, maxBuffer: 64 * 1024 * 1024 }
  )
  return stdout
}

interface NetLog {
  readonly events: ReadonlyArray<{ readonly params?: { readonly url?: string; readonly initiator?: string } }>
}

/** Every URL that a page of `origin` asked for, by the browser's own log: what the browser asks for itself is not ours. */
const requestedBy = (origin: string, path: string): ReadonlyArray<string> => {
  const { events } = JSON.parse(readFileSync(path, "utf8")) as NetLog
  return events.flatMap(({ params }) => params?.initiator === origin && params.url !== undefined ? [params.url] : [])
}

describe(`Docs on ${runtime}`, () => {
  it("render every endpoint in a browser, and ask nobody else for anything", async ({ skip }) => {
    skip(!existsSync(chromium), `there is no ${chromium}`)
    using dir = tempDir()
    await using service = await start({ DATA_DIR: join(dir.path, "data") })
    const netLog = join(dir.path, "net.json")
    const dom = await browse(join(dir.path, "profile"), `${service.url}/docs`, `--log-net-log=${netLog}`, "--dump-dom")
    const text = dom.replace(/<(script|style)\b.*?<\/\1>/gs, "").replace(/<[^>]*>/g, " ").replace(/\s+/g, " ")
    for (
      const operation of [
        "post /api/auth/auto",
        "post /api/auth/token",
        "post /api/token/refresh",
        "get /api/me",
        "post /api/channels",
        "get /ws",
        "post /api/admin/tenants",
        "get /ready"
      ]
    ) {
      assert.include(text, operation)
    }
    assert.include(text, "Sign one of your users in")

    const urls = requestedBy(service.url, netLog)
    assert.isAbove(urls.length, 0)
    assert.deepEqual(urls.filter((url) => !url.startsWith(`${service.url}/`) && !/^(?:data|blob):/.test(url)), [])
  })
})
