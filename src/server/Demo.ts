// The page at /demo, and the modules that it imports: the sources themselves, without their types. Which paths there
// are is decided at the start, from the names of the files; no path of a request ever reaches the file system.
import { Effect, Layer } from "effect"
import { HttpRouter, type HttpServerRequest, HttpServerResponse } from "effect/http"
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { isEmbedded, type RoomkeyConfig, servesDemo } from "../Config.ts"
import { TenantRepository } from "../services/TenantRepository.ts"
import { demoTenantName } from "./FirstStart.ts"

type Path = `/${string}`

interface Asset {
  readonly contentType: string
  readonly text: string
  readonly etag: string
}

/** `.ts` in the sources, `.js` in the published package: the page is served as what this module is. */
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."))

const moduleName = /^\w+\.(?:ts|js)$/

/** Sources keep their distance from each other, so that an import means the same file here and in the browser. */
const modulesIn = (folder: "demo" | "client", at: Path): ReadonlyArray<readonly [Path, URL]> => {
  const directory = new URL(`../${folder}/`, import.meta.url)
  return readdirSync(directory)
    .filter((name) => moduleName.test(name) && name.endsWith(extension))
    .map((name) => [`${at}/${name}`, new URL(name, directory)])
}

const home = "/demo/"

const page = (name: string) => new URL(`../demo/${name}`, import.meta.url)

const files = (): ReadonlyArray<readonly [Path, URL]> => [
  [home, page("index.html")],
  ["/demo/demo.css", page("demo.css")],
  ...modulesIn("demo", "/demo/app"),
  ...modulesIn("client", "/demo/client")
]

const contentTypes: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  ts: "text/javascript; charset=utf-8"
}

const read = (file: URL): Asset => {
  const kind = file.pathname.slice(file.pathname.lastIndexOf(".") + 1)
  const source = readFileSync(file, "utf8")
  const text = kind === "ts" ? stripTypeScriptTypes(source) : source
  const etag = `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`
  return { contentType: contentTypes[kind] ?? "application/octet-stream", text, etag }
}

/** Some browsers do not count the sockets of the page's own host as `'self'`. */
const sockets = (host: string | undefined): string =>
  host !== undefined && /^[\w.:[\]-]+$/.test(host) ? ` ws://${host} wss://${host}` : ""

const headers = (request: HttpServerRequest.HttpServerRequest) => ({
  "cache-control": "no-cache",
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `connect-src 'self'${sockets(request.headers["host"])}`,
    "media-src 'self' blob:",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'"
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
})

type Answer<E, R> = (
  request: HttpServerRequest.HttpServerRequest
) => Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>

const notAllowed = HttpServerResponse.empty({ status: 405, headers: { allow: "GET, HEAD" } })

const get = <E, R>(path: Path, answer: Answer<E, R>) =>
  HttpRouter.route(
    "*",
    path,
    (request): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R> =>
      request.method === "GET" || request.method === "HEAD" ? answer(request) : Effect.succeed(notAllowed)
  )

const send = (request: HttpServerRequest.HttpServerRequest, asset: Asset) => {
  const common = { ...headers(request), etag: asset.etag }
  // A proxy that compresses marks the tag as weak.
  return request.headers["if-none-match"]?.includes(asset.etag) === true
    ? HttpServerResponse.empty({ status: 304, headers: common })
    : HttpServerResponse.text(asset.text, { contentType: asset.contentType, headers: common })
}

/** To where the page's relative links are right, with the query that it was asked with. */
const toFolder = (url: string) => HttpServerResponse.redirect(`demo/${/\?.*$/.exec(url)?.[0] ?? ""}`, { status: 308 })

const file = Effect.fnUntraced(function* (path: Path, url: URL) {
  const asset = yield* Effect.cached(Effect.sync(() => read(url)))
  return get(path, (request) =>
    // The router takes a path with and without a slash at its end for the same.
    path === home && /^[^?]*[^?/](?:\?|$)/.test(request.url)
      ? Effect.succeed(toFolder(request.url))
      : Effect.map(asset, (asset) => send(request, asset)))
})

/** What the page is told: the tenant whose users it signs in, where a first start made one. */
const configuration = (config: RoomkeyConfig) =>
  get("/demo/config.json", (request) =>
    Effect.gen(function* () {
      const tenants = isEmbedded(config) ? yield* (yield* TenantRepository).list : []
      const demo = tenants.find(({ name, suspended }) => name === demoTenantName && !suspended)
      return HttpServerResponse.jsonUnsafe({ app_id: demo?.appId ?? null }, { headers: headers(request) })
    }).pipe(
      Effect.catchTag("StoreUnavailable", () => Effect.succeed(HttpServerResponse.empty({ status: 503 })))
    ))

export const layer = (config: RoomkeyConfig) =>
  servesDemo(config)
    ? HttpRouter.addAll(Effect.gen(function* () {
      const served = yield* Effect.forEach(files(), ([path, url]) => file(path, url))
      return [configuration(config), ...served]
    }))
    : Layer.empty
