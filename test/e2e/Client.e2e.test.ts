// The client's own files, with nothing done to them but the types taken out, in the documents of a real browser that
// share its storage and its locks as tabs do.
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import { stripTypeScriptTypes } from "node:module"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { json } from "node:stream/consumers"
import { makeTenant, signIn } from "./support/Client.ts"
import { adminKey, root, runtime, start, tempDir } from "./support/Process.ts"

const chromium = process.env["ROOMKEY_CHROMIUM"] ?? "/usr/bin/chromium"

const tab = `<!doctype html><script type="module">
  import { createAuth, createRealtime } from "/client/index.ts"
  const baseUrl = new URLSearchParams(location.search).get("url")
  window.refreshes = 0
  const counted = (url, init) => {
    if (url.endsWith("/api/token/refresh")) window.refreshes++
    return fetch(url, init)
  }
  window.auth = createAuth({ baseUrl, fetch: counted })
  window.realtime = createRealtime(auth)
  window.signedOut = new Promise((resolve) => auth.onChange((session, code) => session ?? resolve(code)))
  parent.postMessage("ready")
</script>`

const page = (url: string, pair: object) =>
  `<!doctype html><body><script type="module">
  const ready = new Promise((resolve) => {
    let count = 0
    addEventListener("message", () => ++count === 6 && resolve())
  })
  for (let n = 0; n < 6; n++) {
    document.body.append(Object.assign(document.createElement("iframe"), { src: "/tab?url=${
    encodeURIComponent(url)
  }" }))
  }
  await ready
  const tabs = Array.from(frames)
  tabs[0].auth.adopt(${JSON.stringify(pair)})
  const tokens = await Promise.all(tabs.map(({ auth }) => auth.refresh()))
  await tabs[3].realtime.connect()
  await tabs[1].auth.logout()
  const codes = await Promise.all(tabs.map(({ signedOut }) => signedOut))
  const body = JSON.stringify({
    refreshes: tabs.reduce((sum, { refreshes }) => sum + refreshes, 0),
    tokens: new Set(tokens).size,
    codes,
    state: tabs[3].realtime.state
  })
  await fetch("/result", { method: "POST", body })
</script>`

/** The client as a browser is to be given it. */
const serve = async () => {
  const pages = { "/tab": tab, "/": "" }
  const result = Promise.withResolvers<unknown>()
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://localhost")
    if (pathname === "/result") {
      json(request).then(result.resolve, result.reject)
      return response.end()
    }
    if (Object.hasOwn(pages, pathname)) {
      return response.setHeader("content-type", "text/html").end(pages[pathname as keyof typeof pages])
    }
    if (!/^\/client\/\w+\.ts$/.test(pathname)) return response.writeHead(404).end()
    const source = readFileSync(join(root, "src", pathname), "utf8")
    response.setHeader("content-type", "text/javascript").end(stripTypeScriptTypes(source))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pages,
    result: result.promise,
    [Symbol.dispose]: () => void server.close()
  }
}

describe(`Client in a browser, with a service on ${runtime}`, () => {
  it("refreshes once for all tabs, and signs out of all", async ({ skip }) => {
    skip(!existsSync(chromium), `there is no ${chromium}`)
    using dir = tempDir()
    using site = await serve()
    await using service = await start({
      DATA_DIR: join(dir.path, "data"),
      CORS_ORIGINS: site.origin,
      ROOMKEY_ADMIN_KEY: adminKey
    })
    const { api_key } = await makeTenant(service)
    site.pages["/"] = page(service.url, await signIn(service, api_key, "ada"))
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    const browser = spawn(chromium, [...flags, `--user-data-dir=${join(dir.path, "profile")}`, `${site.origin}/`])
    const gone = once(browser, "close")
    const deadline = setTimeout(() => browser.kill(), 60_000)
    const result = await Promise.race([site.result, gone])
    clearTimeout(deadline)
    browser.kill()
    await gone
    assert.deepEqual(result, {
      refreshes: 1,
      tokens: 1,
      codes: Array.from({ length: 6 }, () => "signed_out"),
      state: "closed"
    })
  })
})
