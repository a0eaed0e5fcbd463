// /demo as a browser asks for it: a page, its modules, and no way to anything else.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"

const importsOf = (script: string): ReadonlyArray<string> =>
  [...script.matchAll(/^\s*(?:import|export)\s(?:[^"';]*?\sfrom\s)?\s*"([^"]+)"/gm)].map(([, target]) => target!)

layer(Server.layer({ DEMO: "true" }), { excludeTestServices: true, timeout: "60 seconds" })("/demo", (it) => {
  it.effect("is a page whose every module, and what that imports, is there without its types", () =>
    Effect.gen(function* () {
      const page = yield* call("GET", "/demo/")
      assert.strictEqual(page.headers.get("content-type"), "text/html; charset=utf-8")
      const seen = new Set<string>()
      const todo = [...page.text.matchAll(/<script[^>]* src="([^"]+)"/g)].map(([, src]) => `/demo/${src}`)
      for (const path of todo) {
        if (seen.has(path)) continue
        seen.add(path)
        const { headers, status, text } = yield* call("GET", path)
        assert.strictEqual(status, 200, path)
        assert.strictEqual(headers.get("content-type"), "text/javascript; charset=utf-8", path)
        assert.notMatch(text, /^(?:export )?(?:interface|import type)\b/m, path)
        for (const target of importsOf(text)) todo.push(new URL(target, `http://localhost${path}`).pathname)
      }
      assert.include([...seen], "/demo/app/Mesh.ts")
      assert.include([...seen], "/demo/client/Realtime.ts")
      assert.strictEqual((yield* call("GET", "/demo/demo.css")).headers.get("content-type"), "text/css; charset=utf-8")
    }))

  it.effect("lets the page load and reach nothing but its own host, and nobody frame it", () =>
    Effect.gen(function* () {
      const host = new URL(yield* Server.baseUrl).host
      for (const path of ["/demo/", "/demo/app/demo.ts", "/demo/config.json"]) {
        const { headers } = yield* call("GET", path)
        const policy = headers.get("content-security-policy")!.split("; ")
        for (
          const directive of [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            `connect-src 'self' ws://${host} wss://${host}`,
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'"
          ]
        ) {
          assert.include(policy, directive, path)
        }
        assert.notInclude(headers.get("content-security-policy"), "unsafe")
        assert.include(headers.get("permissions-policy"), "microphone=(self)")
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
        assert.strictEqual(headers.get("referrer-policy"), "no-referrer")
      }
    }))

  it.effect("is asked for again every time, and sent again only when it has changed", () =>
    Effect.gen(function* () {
      const first = yield* call("GET", "/demo/app/demo.ts")
      const etag = first.headers.get("etag")!
      assert.strictEqual(first.headers.get("cache-control"), "no-cache")
      const again = yield* call("GET", "/demo/app/demo.ts", { headers: { "if-none-match": `W/"x", W/${etag}` } })
      assert.deepEqual([again.status, again.text, again.headers.get("etag")], [304, "", etag])
      assert.include(again.headers.get("content-security-policy"), "default-src 'none'")
      const changed = yield* call("GET", "/demo/app/demo.ts", { headers: { "if-none-match": `"x"` } })
      assert.deepEqual([changed.status, changed.text], [200, first.text])
    }))

  it.effect("without its slash leads to where its links are right, and keeps the query", () =>
    Effect.gen(function* () {
      const url = `${yield* Server.baseUrl}/demo?app_id=vc_app_x`
      const response = yield* Effect.promise(() => fetch(url, { redirect: "manual" }))
      assert.strictEqual(response.status, 308)
      assert.strictEqual(response.headers.get("location"), "demo/?app_id=vc_app_x")
    }))

  it.effect("has no other path, and is only read", () =>
    Effect.gen(function* () {
      for (
        const path of [
          "/demo/index.html",
          "/demo/app/",
          "/demo/app/index.html",
          "/demo/app/../../server/Demo.ts",
          "/demo/app/..%2f..%2fConfig.ts",
          "/demo/app/%2e%2e/%2e%2e/Config.ts",
          "/demo/client/..%5c..%5cConfig.ts",
          "/demo/client/Auth.ts%00.css",
          "/demo/domain/Role.ts"
        ]
      ) {
        assert.deepEqual((yield* call("GET", path)).body?.code, "not_found", path)
      }
      const posted = yield* call("POST", "/demo/")
      assert.deepEqual([posted.status, posted.body.code, posted.headers.get("allow")], [
        405,
        "method_not_allowed",
        "GET, HEAD"
      ])
      const head = yield* call("HEAD", "/demo/app/demo.ts")
      assert.deepEqual([head.status, head.text], [200, ""])
    }))

  it.effect("signs in the users of the demo tenant of an embedded database, and of no other", () =>
    Effect.gen(function* () {
      const read = Effect.map(call("GET", "/demo/config.json"), ({ body }) => body.app_id)
      yield* call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Acme" } })
      assert.isNull(yield* read)
      const { body } = yield* call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Demo" } })
      const isEmbedded = (yield* World.config()).databaseUrl._tag === "None"
      assert.strictEqual(yield* read, isEmbedded ? body.app_id : null)
      yield* call("PATCH", `/api/admin/tenants/${body.id}`, { bearer: World.adminKey, json: { suspended: true } })
      assert.isNull(yield* read)
    }))
})

layer(Server.layer({ DEMO: "false" }), { excludeTestServices: true, timeout: "60 seconds" })("/demo, off", (it) => {
  it.effect("is not there", () =>
    Effect.gen(function* () {
      for (const path of ["/demo", "/demo/", "/demo/config.json", "/demo/app/demo.ts"]) {
        assert.strictEqual((yield* call("GET", path)).body.code, "not_found", path)
      }
    }))
})
