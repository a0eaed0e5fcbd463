// The layering, read from the imports themselves: data goes one way, and only server/ joins adapters to ports.
// The linter holds the same table; this holds it for folders the linter does not know yet.
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"

/** What each folder may import from src besides itself. Entries (main.ts, bin.ts) may import anything. */
const mayImport: Record<string, ReadonlyArray<string>> = {
  "Config.ts": [],
  "Metrics.ts": [],
  domain: [],
  services: ["domain"],
  flows: ["domain", "services", "Metrics.ts"],
  api: ["domain"],
  http: ["api", "flows", "services", "domain", "Metrics.ts"],
  ws: ["api", "flows", "services", "domain", "Metrics.ts"],
  postgres: ["services", "domain", "Metrics.ts"],
  cache: ["services", "domain"],
  crypto: ["services", "domain", "Metrics.ts"],
  client: ["api", "domain"],
  demo: ["client"],
  cli: ["api", "domain", "server", "Config.ts"],
  server: ["api", "flows", "services", "domain", "http", "ws", "postgres", "crypto", "cache", "Config.ts", "Metrics.ts"]
}
const entries = ["main.ts", "bin.ts"]
const core = ["domain", "services", "flows"]
const mayImportNode = [...entries, "server", "crypto", "postgres"]

const src = fileURLToPath(new URL("../src/", import.meta.url))

const importsOf = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/^(?:import|export)\s(?:[^"';]*?\sfrom\s)?\s*"([^"]+)"|\bimport\("([^"]+)"\)/gm)]
    .map((match) => match[1] ?? match[2] ?? "")

const partOf = (path: string): string => relative(src, path).split(sep)[0] ?? ""

const imports = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((path) => /\.[jt]s$/.test(path))
  .flatMap((path) => importsOf(readFileSync(join(src, path), "utf8")).map((target) => ({ path, target })))

const offenders = (offends: (part: string, target: string, path: string) => boolean): ReadonlyArray<string> =>
  imports
    .filter(({ path, target }) => offends(partOf(join(src, path)), target, path))
    .map(({ path, target }) => `${path} imports ${target}`)

describe("Architecture", () => {
  it("lets every folder import only what the layering table lists", () => {
    const found = offenders((part, target, path) => {
      if (!target.startsWith(".") || entries.includes(part)) return false
      const imported = partOf(join(src, dirname(path), target))
      return imported !== part && mayImport[part]?.includes(imported) !== true
    })
    assert.deepStrictEqual(found, [])
    assert.isAbove(imports.length, 0)
  })

  it("keeps transport, database and runtime out of domain, services and flows", () => {
    const found = offenders((part, target) =>
      core.includes(part) && /^(?:effect\/(?:sql|http|socket)|@effect\/|node:)/.test(target)
    )
    assert.deepStrictEqual(found, [])
  })

  it("lets the page, which a browser loads unbuilt, import nothing but files", () => {
    assert.deepStrictEqual(offenders((part, target) => part === "demo" && !target.startsWith(".")), [])
  })

  it("confines the runtime's own modules to the entries, server, crypto and postgres", () => {
    assert.deepStrictEqual(offenders((part, target) => target.startsWith("node:") && !mayImportNode.includes(part)), [])
  })

  it("loads nothing but itself in the client, whose files a browser takes as they are, and effect in effect.ts", () => {
    const loaded = readdirSync(join(src, "client")).flatMap((file) =>
      importsOf(readFileSync(join(src, "client", file), "utf8").replaceAll(/^(?:import|export) type .*/gm, ""))
        .filter((target) => !target.startsWith("./"))
        .map((target) => `${file} loads ${target}`)
    )
    assert.deepStrictEqual([...new Set(loaded)], ["effect.ts loads effect"])
  })

  it("reaches its own modules by relative paths to their files, which both runtimes need to run src unbuilt", () => {
    const found = offenders((_, target, path) =>
      /^roomkey(?:\/|$)/.test(target) ||
      target.startsWith(".") && !(/\.[jt]s$/.test(target) && existsSync(join(src, dirname(path), target)))
    )
    assert.deepStrictEqual(found, [])
  })
})
