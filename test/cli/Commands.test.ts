// What operators and tenants type, against an instance that runs: what is done, what is printed, and how it ends.
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import * as Cli from "../support/Cli.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"

const app = Layer.mergeAll(Server.layer(), Cli.layer)

const secret = /vc_(?:admin_)?[0-9a-f]{64}/g

/** As a shell splits it, as far as it is needed here. */
const words = (line: string) => line.match(/(?:'[^']*'|\S)+/g)!.map((word) => word.replaceAll("'", ""))

/** Runs what an operator types; `env` is in addition to where the instance is and the admin key. */
const operator = Effect.fnUntraced(function* (line: string, given: Cli.Given = {}) {
  const env = { ROOMKEY_URL: yield* Server.baseUrl, ROOMKEY_ADMIN_KEY: World.adminKey, ...given.env }
  return yield* Cli.roomkey(words(line), { ...given, env })
})

/** A fresh tenant, and what runs as typed by who holds its API key. */
const tenant = Effect.gen(function* () {
  const { json } = yield* operator("tenant create Voice --json")
  const apiKey: string = json.api_key
  return {
    apiKey,
    id: json.id as number,
    type: Effect.fnUntraced(function* (line: string, given: Cli.Given = {}) {
      const env = { ROOMKEY_URL: yield* Server.baseUrl, ROOMKEY_API_KEY: apiKey, ...given.env }
      return yield* Cli.roomkey(words(line), { ...given, env })
    })
  }
})

/** Failed with one line that has no secret in it, and nothing on standard output. */
const failed = (said: Cli.Said, code: number, line: RegExp) => {
  assert.strictEqual(said.code, code, said.stderr)
  assert.match(said.stderr, line)
  assert.lengthOf(said.stderr.trimEnd().split("\n"), code === 2 ? 2 : 1)
  assert.strictEqual(said.stdout, "")
  assert.notMatch(said.stderr, secret)
}

const done = (said: Cli.Said) => {
  assert.deepEqual([said.code, said.stderr], [0, ""])
  return said
}

/** The words of a table, row by row. */
const table = (said: Cli.Said) => done(said).stdout.trimEnd().split("\n").map((line) => line.split(/ {2,}/))

layer(app, { excludeTestServices: true, timeout: "60 seconds" })("tenant", (it) => {
  it.effect("create shows the API key once, list shows none", () =>
    Effect.gen(function* () {
      const created = done(yield* operator("tenant create Acme"))
      assert.lengthOf(created.stdout.match(secret) ?? [], 1)
      const { json } = done(yield* operator("tenant create Other --json"))
      assert.deepEqual(Object.keys(json).sort(), ["api_key", "app_id", "id", "name"])
      const [titles, ...rows] = table(yield* operator("tenant list"))
      assert.deepEqual(titles, ["id", "name", "app id", "suspended", "created"])
      assert.include(rows.map(([, name]) => name), "Acme")
      const listed = done(yield* operator("tenant list --json"))
      assert.include(listed.json.map(({ name }: { name: string }) => name), "Other")
      assert.notMatch(listed.stdout, secret)
    }))

  it.effect("suspend and resume say what the tenant is now", () =>
    Effect.gen(function* () {
      const { id, type } = yield* tenant
      assert.strictEqual(done(yield* operator(`tenant suspend ${id} --json`)).json.suspended, true)
      failed(yield* type("user list"), 1, /^roomkey: tenant_suspended: /)
      assert.include(done(yield* operator(`tenant resume ${id}`)).stdout, "suspended  no")
      done(yield* type("user list"))
    }))

  it.effect("delete asks on a terminal, and needs --yes elsewhere", () =>
    Effect.gen(function* () {
      const { id, type } = yield* tenant
      failed(yield* operator(`tenant delete ${id}`), 1, /--yes/)
      const declined = yield* operator(`tenant delete ${id}`, { keys: "n" })
      assert.strictEqual(declined.code, 1)
      assert.include(declined.stdout, `Delete tenant ${id} (Voice)`)
      done(yield* type("user list"))
      assert.include(done(yield* operator(`tenant delete ${id}`, { keys: "y" })).stdout, `deleted tenant ${id}`)
      failed(yield* type("user list"), 1, /^roomkey: invalid_api_key: /)
      failed(yield* operator(`tenant delete ${id} --yes`), 1, /^roomkey: not_found: No such tenant/)
      const other = yield* tenant
      assert.deepEqual(done(yield* operator(`tenant delete ${other.id} --yes --json`)).json, {
        id: other.id,
        deleted: true
      })
    }))

  it.effect("reads the admin key from the data directory when the environment has none", () =>
    Effect.scoped(Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const DATA_DIR = yield* files.makeTempDirectoryScoped()
      const ROOMKEY_URL = yield* Server.baseUrl
      failed(yield* Cli.roomkey(["tenant", "list"], { env: { ROOMKEY_URL, DATA_DIR } }), 1, /no admin key/)
      yield* files.writeFileString(`${DATA_DIR}/admin.key`, `${World.adminKey}\n`)
      done(yield* Cli.roomkey(["tenant", "list"], { env: { ROOMKEY_URL, DATA_DIR } }))
      yield* files.writeFileString(`${DATA_DIR}/admin.key`, "vc_admin_half")
      failed(yield* Cli.roomkey(["tenant", "list"], { env: { ROOMKEY_URL, DATA_DIR } }), 1, /holds no admin key/)
    })))
})

layer(app, { excludeTestServices: true, timeout: "60 seconds" })("key", (it) => {
  it.effect("create shows the new key once, and it opens the tenant", () =>
    Effect.gen(function* () {
      const { apiKey, type } = yield* tenant
      const created = done(yield* type("key create --label backend --expires-in '1 hour' --json")).json
      assert.deepEqual([created.label, created.last_used_at], ["backend", null])
      const life = Date.parse(created.expires_at) - Date.parse(created.created_at)
      assert.closeTo(life, 3_600_000, 1000)
      done(yield* type("key list", { env: { ROOMKEY_API_KEY: created.api_key } }))
      const listed = done(yield* type("key list"))
      assert.lengthOf(listed.stdout.trimEnd().split("\n"), 3)
      assert.notMatch(listed.stdout, secret)
      assert.notInclude(listed.stdout, apiKey.slice(35))
    }))

  it.effect("revoke leaves the last key alone, unless it is forced and confirmed", () =>
    Effect.gen(function* () {
      const { type } = yield* tenant
      const [{ id }] = done(yield* type("key list --json")).json
      failed(yield* type(`key revoke ${id}`), 1, /^roomkey: last_api_key: /)
      failed(yield* type(`key revoke ${id} --force`), 1, /--yes/)
      assert.include(done(yield* type(`key revoke ${id} --force --yes`)).stdout, `revoked key ${id}`)
      failed(yield* type("key list"), 1, /^roomkey: invalid_api_key: /)
    }))

  it.effect("is read from a file as well", () =>
    Effect.scoped(Effect.gen(function* () {
      const { apiKey, type } = yield* tenant
      const files = yield* FileSystem.FileSystem
      const path = yield* files.makeTempFileScoped()
      yield* files.writeFileString(path, `${apiKey}\n`)
      done(yield* type(`key list --api-key-file ${path}`, { env: { ROOMKEY_API_KEY: "" } }))
      failed(yield* type(`key list --api-key-file ${path}.none`), 1, /no API key: \S+ cannot be read/)
      yield* files.writeFileString(path, apiKey.slice(1))
      const garbled = yield* type(`key list --api-key-file ${path}`)
      failed(garbled, 1, /holds no API key/)
      assert.notInclude(garbled.stderr, apiKey.slice(1))
    })))
})

layer(app, { excludeTestServices: true, timeout: "60 seconds" })("user", (it) => {
  it.effect("create takes a profile, and a password from standard input only", () =>
    Effect.gen(function* () {
      const { type } = yield* tenant
      const words = 'user create ada --custom-id 7 --picture-url https://cdn.example/a.png --metadata {"plan":"free"}'
      const { json } = done(yield* type(`${words} --json`))
      assert.deepInclude(json, { username: "ada", custom_id: "7", metadata: { plan: "free" }, has_password: false })
      assert.strictEqual(json.picture_url, "https://cdn.example/a.png")
      const bob = yield* type("user create bob --password-stdin", { stdin: "correct horse battery\n" })
      assert.include(done(bob).stdout, "password   yes")
      assert.notInclude(bob.stdout, "horse")
      failed(yield* type("user create ada"), 1, /^roomkey: username_taken: The username is taken\n$/)
      failed(
        yield* type("user create eve --password-stdin", { stdin: "password\n" }),
        1,
        /^roomkey: invalid_request: password: /
      )
      failed(yield* type("user create eve --password-stdin"), 1, /^roomkey: password: Expected 1 to 256/)
      failed(yield* type("user create eve --ask-password"), 1, /--password-stdin/)
      failed(yield* type("user create eve --ask-password --password-stdin"), 2, /not both/)
      failed(yield* type("user create eve --metadata [1]"), 2, /metadata/)
    }))

  it.effect("create asks twice for a password and shows neither", () =>
    Effect.gen(function* () {
      const { type } = yield* tenant
      const asked = yield* type("user create ada --ask-password", {
        keys: "QXWQXWQXWQ\nQXWQXWQXWQ\n"
      })
      assert.strictEqual(asked.code, 0, asked.stderr)
      assert.include(asked.stdout, "password   yes")
      assert.notMatch(asked.stdout + asked.stderr, /[QXW]/)
      const differ = yield* type("user create bob --ask-password", { keys: "correct horse\ncorrect house\n" })
      assert.deepEqual([differ.code, differ.stderr], [1, "roomkey: the two passwords differ\n"])
    }))

  it.effect("list follows every page, in one JSON array or one table", () =>
    Effect.gen(function* () {
      const { apiKey, type } = yield* tenant
      assert.deepEqual(done(yield* type("user list --json")).json, [])
      const names = Array.from({ length: 203 }, (_, n) => `user${n}`)
      yield* Effect.forEach(names, (username) => Server.autoAuth(apiKey, { username }), { concurrency: 8 })
      const listed = done(yield* type("user list --json")).json as Array<{ id: number; username: string }>
      assert.deepEqual(listed.map(({ username }) => username).sort(), [...names].sort())
      assert.deepEqual(listed.map(({ id }) => id), listed.map(({ id }) => id).sort((a, b) => a - b))
      const [titles, ...rows] = table(yield* type("user list"))
      assert.deepEqual(titles, ["id", "username", "custom id", "password", "banned", "created"])
      assert.deepEqual(rows.map(([, username]) => username), listed.map(({ username }) => username))
      assert.lengthOf(done(yield* type("user list --search user20 --json")).json, 4)
    }))

  it.effect("list does not let a user's text speak to the terminal", () =>
    Effect.gen(function* () {
      const { apiKey, type } = yield* tenant
      const json = { username: "ada", custom_id: "\u001b[2Jx" }
      yield* Server.call("POST", "/api/tenant/users", { bearer: apiKey, json })
      assert.include(done(yield* type("user list")).stdout, "\\u001b[2Jx")
      assert.strictEqual(done(yield* type("user list --json")).json[0].custom_id, "\u001b[2Jx")
    }))

  it.effect("ban, unban and erase", () =>
    Effect.gen(function* () {
      const { type } = yield* tenant
      const { id } = done(yield* type("user create ada --json")).json
      assert.strictEqual(done(yield* type(`user ban ${id} --json`)).json.banned, true)
      assert.strictEqual(done(yield* type(`user unban ${id} --json`)).json.banned, false)
      failed(yield* type(`user erase ${id}`), 1, /--yes/)
      const declined = yield* type(`user erase ${id}`, { keys: "n" })
      assert.strictEqual(declined.code, 1)
      assert.include(declined.stdout, `Erase user ${id} (ada)`)
      assert.deepEqual(done(yield* type(`user erase ${id} --yes --json`)).json, { id, erased: true })
      failed(yield* type(`user ban ${id}`), 1, /^roomkey: not_found: No such user/)
    }))
})

layer(app, { excludeTestServices: true, timeout: "60 seconds" })("session", (it) => {
  it.effect("list and revoke, one or all of a user's", () =>
    Effect.gen(function* () {
      const { apiKey, type } = yield* tenant
      const { body } = yield* Server.autoAuth(apiKey, { username: "ada" })
      yield* Server.autoAuth(apiKey, { username: "ada" })
      yield* Server.autoAuth(apiKey, { username: "ada" })
      const user = body.user.id
      const sessions = done(yield* type(`session list ${user} --json`)).json
      assert.lengthOf(sessions, 3)
      done(yield* type(`session revoke ${sessions[0].id}`))
      assert.lengthOf(table(yield* type(`session list ${user}`)), 3)
      failed(yield* type(`session revoke ${sessions[0].id}`), 1, /^roomkey: not_found: No such session/)
      failed(yield* type("session revoke"), 2, /Expected a session's id, or --user/)
      assert.deepEqual(done(yield* type(`session revoke --user ${user} --json`)).json, { user, revoked: true })
      assert.deepEqual(done(yield* type(`session list ${user} --json`)).json, [])
    }))
})

layer(app, { excludeTestServices: true, timeout: "60 seconds" })("a call that cannot be made", (it) => {
  it.effect("names the key that is missing or no key", () =>
    Effect.gen(function* () {
      const ROOMKEY_URL = yield* Server.baseUrl
      const list = (env: Record<string, string>) => Cli.roomkey(["key", "list"], { env: { ROOMKEY_URL, ...env } })
      failed(yield* list({}), 1, /^roomkey: no API key: set ROOMKEY_API_KEY/)
      const garbled = yield* list({ ROOMKEY_API_KEY: "vc_of the hen" })
      failed(garbled, 1, /^roomkey: ROOMKEY_API_KEY holds no API key/)
      assert.notInclude(garbled.stderr, "of the hen")
      const admin = yield* operator("tenant list", { env: { ROOMKEY_ADMIN_KEY: "of the hen" } })
      failed(admin, 1, /^roomkey: ROOMKEY_ADMIN_KEY holds no admin key/)
      assert.notInclude(admin.stderr, "of the hen")
      failed(yield* list({ ROOMKEY_API_KEY: `vc_${"0".repeat(64)}` }), 1, /^roomkey: invalid_api_key: /)
    }))

  it.effect("says whom it cannot reach, and who is not Roomkey", () =>
    Effect.gen(function* () {
      failed(
        yield* operator("tenant list --url http://127.0.0.1:1"),
        1,
        /^roomkey: cannot reach http:\/\/127\.0\.0\.1:1 /
      )
      const elsewhere = `${yield* Server.baseUrl}/docs`
      failed(yield* operator(`tenant list --url ${elsewhere}`), 1, /^roomkey: not_found: /)
    }))

  it.effect("ends well when nobody reads on, and badly when what it prints is lost", () =>
    Effect.gen(function* () {
      done(yield* operator("tenant list", { stdoutFails: "EPIPE" }))
      failed(yield* operator("tenant list", { stdoutFails: "ENOSPC" }), 1, /\(ENOSPC\)/)
    }))

  it.effect("names a variable that is wrong, in one line", () =>
    Effect.gen(function* () {
      failed(yield* operator("migrate", { env: { PORT: "x" } }), 1, /^roomkey: .*"PORT"/)
    }))

  it.effect("ends with 2 for what is typed wrongly, without repeating a password in a URL", () =>
    Effect.gen(function* () {
      failed(yield* operator("tenant lst"), 2, /Unknown subcommand "lst"/)
      failed(yield* operator("tenant suspend x"), 2, /Invalid value for <id>: Expected/)
      const argument = yield* operator("user create ada --ask-password hunter2")
      failed(argument, 2, /Unexpected positional argument/)
      assert.notInclude(argument.stderr, "hunter2")
      failed(yield* operator(`user list --api-key vc_${"0".repeat(64)}`), 2, /Unrecognized flag: --api-key/)
      failed(yield* operator("tenant list --url ftp://example"), 2, /Expected an http or https URL/)
      const inUrl = yield* operator("tenant list --url http://ada:hunter2@example")
      failed(inUrl, 2, /without user and password/)
      assert.notInclude(inUrl.stderr, "hunter2")
    }))
})

layer(Cli.layer)("roomkey", (it) => {
  it.effect("prints help, its version and completions", () =>
    Effect.gen(function* () {
      const version = JSON.parse(yield* (yield* FileSystem.FileSystem).readFileString("package.json")).version
      assert.include(done(yield* Cli.roomkey(["--version"])).stdout, version)
      assert.include(done(yield* Cli.roomkey(["user", "--help"])).stdout, "import")
      for (const shell of ["bash", "zsh", "fish"]) {
        const { stdout } = done(yield* Cli.roomkey(["--completions", shell]))
        for (const word of ["serve", "migrate", "tenant", "suspend", "api-key-file"]) assert.include(stdout, word)
      }
    }))
})
