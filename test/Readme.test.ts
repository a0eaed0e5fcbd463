// The README's tables against what they speak of: a path, an endpoint or a variable that changes is changed there too.
import { assert, describe, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { existsSync, readFileSync } from "node:fs"
import { Api } from "../src/api/Api.ts"
import { type AfterClose, afterClose } from "../src/client/index.ts"

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")
const readme = read("README.md")
const section = (title: string) => readme.split(`## ${title}`)[1]?.split("\n## ")[0] ?? ""

describe("README", () => {
  it("names only files and folders that exist", () => {
    const paths = [...readme.matchAll(/`((?:src|test|docs)\/[\w./-]+|\.oxlintrc\.json|\.ci\/run)`/g)].map(([, path]) =>
      path!
    )
    assert.isAbove(paths.length, 30)
    assert.deepEqual(paths.filter((path) => !existsSync(new URL(`../${path}`, import.meta.url))), [])
  })

  it("names every endpoint of the API, and no other", () => {
    const declared = Object.entries(OpenApi.fromApi(Api).paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`)
    )
    const named = section("The API").split("### ")[0]!.split("\n").filter((line) => line.startsWith("| `")).flatMap(
      (line) => {
        const [, endpoints] = line.split("|")
        let last = ""
        return [...endpoints!.matchAll(/`(GET|POST|PUT|PATCH|DELETE) ([^`]+)`/g)].map(([, method, path]) => {
          last = path!.replace("…", last.replace(/\/\{id\}$/, path === "…" ? "/{id}" : ""))
          return `${method} ${last}`
        })
      }
    )
    assert.deepEqual(named.sort(), declared.sort())
  })

  it("lists every environment variable that is read, and no other", () => {
    const names = (text: string, pattern: RegExp) =>
      [...new Set([...text.matchAll(pattern)].map(([, name]) => name!))].sort()
    assert.deepEqual(
      names(section("Configuration").split("\n").map((line) => line.split("|")[1]).join("\n"), /`([A-Z][A-Z0-9_]+)`/g),
      names(read("src/Config.ts"), /"([A-Z][A-Z0-9_]{3,})"/g)
    )
  })

  for (const example of ["embed", "client", "clientEffect"]) {
    it(`shows the example ${example} that is tested, as a team would import it`, () => {
      const shown = read(`test/example/${example}.ts`)
        .replaceAll(/"\.\.\/\.\.\/src\/(.*?)(?:\/index)?\.ts"/g, '"roomkey/$1"')
      assert.include(readme, shown.trimEnd())
    })
  }

  it("says of every close code what the client does", () => {
    const meanings: Record<string, AfterClose> = {
      "is broken": "stop",
      "refreshes, and signs out if that is refused": "refresh",
      "signs out": "sign_out",
      "keeps its tokens and asks seldom": "suspended",
      "reconnects": "backoff",
      "slows down": "slow",
      "reconnects after a random pause": "pause"
    }
    const rows = section("The API").split("Close codes:")[1]!.split("###")[0]!.split("\n")
      .map((line) => line.split("|").map((cell) => cell.trim()))
      .flatMap(([, codes = "", reason = "", does = ""]) =>
        [...codes.matchAll(/\d{4}/g)].map(([code]) => ({
          code: Number(code),
          reason: reason.replaceAll("`", ""),
          does
        }))
      )
    assert.isAbove(rows.length, 10)
    for (const { code, does, reason } of rows) assert.strictEqual(afterClose(code, reason), meanings[does], `${code}`)
  })

  it("gives every dependency a line", () => {
    const { dependencies } = JSON.parse(read("package.json"))
    for (const name of Object.keys(dependencies)) assert.include(section("Dependencies"), `| \`${name}\` |`)
  })
})
