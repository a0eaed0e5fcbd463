// The command line as a process: how it starts, what a signal does to it, and a run that was killed taken up again.
import { assert, describe, it } from "@effect/vitest"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { call, eventually, poll } from "./support/Client.ts"
import { type Environment, nodeCommand, root, runtime, Service, start, tempDir } from "./support/Process.ts"

const command = runtime === "deno"
  ? [join(root, "node_modules/deno/deno"), "run", "--allow-all", "src/cli/main.ts"]
  : nodeCommand("roomkey")

const roomkey = (args: ReadonlyArray<string>, env: Environment) => new Service([...command, ...args], env)

const ended = async (args: ReadonlyArray<string>, env: Environment) => {
  await using service = roomkey(args, env)
  const { code } = await service.exited
  return { code, output: service.output }
}

describe("roomkey", () => {
  it("migrates an empty database once, and not under a running instance", async () => {
    using dir = tempDir()
    const env = { DATA_DIR: join(dir.path, "data") }
    const first = await ended(["migrate"], env)
    assert.strictEqual(first.code, 0, first.output)
    assert.match(first.output, /^migration {2}name\n1 {10}initial\n2 {10}/)
    assert.deepEqual(await ended(["migrate"], env), { code: 0, output: "the schema is up to date\n" })
    await using _ = await start(env)
    const refused = await ended(["migrate", "--json"], env)
    assert.strictEqual(refused.code, 1)
    assert.match(refused.output, /^roomkey: The data directory \S+ is in use by another process\n$/)
  })

  it("serves as npm start does, and ends in order on SIGTERM", async () => {
    using dir = tempDir()
    await using service = roomkey(["serve"], { HOST: "127.0.0.1", PORT: "0", DATA_DIR: join(dir.path, "data") })
    const [, port] = await service.waitFor(/Listening on http:\/\/[^\s"]*:(\d+)/)
    await poll({ url: `http://127.0.0.1:${port}` }, "/ready", 200)
    assert.deepEqual(await service.signal("SIGTERM"), { code: 0, signal: null })
  })

  it("takes up an import that was killed, and one that was interrupted, where they ended", async () => {
    using dir = tempDir()
    await using service = await start({ DATA_DIR: join(dir.path, "data") })
    const adminKey = readFileSync(join(dir.path, "data/admin.key"), "utf8").trim()
    const { api_key } =
      (await call(service, "POST", "/api/admin/tenants", { bearer: adminKey, json: { name: "E2E" } })).body
    const file = join(dir.path, "users.csv")
    const names = Array.from({ length: 3000 }, (_, n) => `user${n}`)
    writeFileSync(file, ["username", ...names, ""].join("\n"))
    const env = { ROOMKEY_URL: service.url, ROOMKEY_API_KEY: api_key }
    const count = async () => JSON.parse((await ended(["user", "list", "--json"], env)).output).length
    const isThere = async (username: string) => {
      const { body } = await call(service, "GET", `/api/tenant/users?search=${username}`, { bearer: api_key })
      return body.users.length > 0
    }

    await using killed = roomkey(["user", "import", file], env)
    await eventually(30, "the 500th user made", () => isThere("user500"))
    assert.deepEqual(await killed.signal("SIGKILL"), { code: null, signal: "SIGKILL" })
    const first = await count()
    assert.isTrue(first >= 490 && first < 3000, `${first} users`)

    await using interrupted = roomkey(["user", "import", file, "--json"], env)
    await eventually(30, "the 1500th user made", () => isThere("user1500"))
    assert.deepEqual(await interrupted.signal("SIGINT"), { code: 130, signal: null })
    const { created, exists } = JSON.parse(interrupted.output)
    assert.isTrue(exists >= first && created > 0 && created + exists < 3000, interrupted.output)

    const last = await ended(["user", "import", file, "--json"], env)
    assert.strictEqual(last.code, 0, last.output)
    const counts = JSON.parse(last.output)
    assert.deepEqual([counts.failed, counts.created + counts.exists], [0, 3000])
    assert.strictEqual(await count(), 3000)
  })
})
