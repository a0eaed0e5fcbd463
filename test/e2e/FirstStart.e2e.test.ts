// The first five minutes of a newcomer: start, paste the printed line, use the token, start again.
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { statSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { call, makeTenant, me, openSocket, refresh, signIn } from "./support/Client.ts"
import { adminKey, launch, runtime, start, tempDir } from "./support/Process.ts"

const run = promisify(execFile)

const paste = async (line: string) => {
  const { stdout } = await run("bash", ["-c", `${line.trim()} -w '\\n%{http_code}'`])
  const [body, status] = stdout.split(/\n(?=\d+$)/)
  return { status, body: JSON.parse(body ?? "") }
}

describe(`FirstStart on ${runtime}`, () => {
  it("prints a demo tenant and a curl line that works as it stands, and keeps everything over a restart", async () => {
    using dir = tempDir()
    const env = { DATA_DIR: join(dir.path, "data") }
    const first = await start(env)
    await using _first = first
    const [line] = await first.waitFor(/^.*curl .*\/api\/auth\/auto.*$/m)
    const [apiKey] = await first.waitFor(/vc_[0-9a-f]{64}/)
    const [appId] = await first.waitFor(/vc_app_[0-9a-f]{32}/)
    const [demo] = await first.waitFor(/http:\/\/localhost:\d+\/demo$/m)
    assert.strictEqual((await fetch(demo.replace("localhost", "127.0.0.1"))).status, 200)
    const newcomer = { app_id: appId, username: "grace", password: "a password of her own" }
    assert.strictEqual((await call(first, "POST", "/api/register", { json: newcomer })).status, 201)

    const { status, body } = await paste(line)
    assert.strictEqual(status, "200")
    assert.match(body.token, /^[0-9a-f]{64}$/)
    assert.match(body.refresh_token, /^[0-9a-f]{64}$/)

    const byHeader = await me(first, body.token)
    assert.strictEqual(byHeader.body.username, "ada")
    assert.deepEqual((await call(first, "GET", `/api/me?token=${body.token}`)).body, byHeader.body)
    const socket = await openSocket(first, body.token)
    assert.strictEqual(socket.ready.type, "ready")
    assert.strictEqual(socket.ready.payload.user.username, "ada")

    assert.deepEqual(await first.signal("SIGTERM"), { code: 0, signal: null })
    await using second = await start(env)
    assert.notInclude(second.output, apiKey)
    assert.notMatch(second.output, /vc_[0-9a-f]{64}/)
    assert.deepEqual((await me(second, body.token)).body, byHeader.body)
    assert.strictEqual((await refresh(second, body.refresh_token)).status, 200)
    assert.strictEqual((await call(second, "GET", "/demo/config.json")).body.app_id, appId)
    const again = await call(second, "POST", "/api/auth/auto", { bearer: apiKey, json: { username: "ada" } })
    assert.strictEqual(again.body.user.id, byHeader.body.id)
  })

  it("lets nobody register, and has no page, with DEMO=false", async () => {
    using dir = tempDir()
    await using service = await start({ DATA_DIR: dir.path, DEMO: "false" })
    const [app_id] = await service.waitFor(/vc_app_[0-9a-f]{32}/)
    assert.notInclude(service.output, "/demo")
    assert.strictEqual((await call(service, "GET", "/demo/")).status, 404)
    const newcomer = { app_id, username: "grace", password: "a password of her own" }
    assert.strictEqual(
      (await call(service, "POST", "/api/register", { json: newcomer })).body.code,
      "registration_disabled"
    )
  })

  it("makes an admin key that only its owner can read, and that works after a restart", async () => {
    using dir = tempDir()
    const env = { DATA_DIR: dir.path }
    {
      await using service = await start(env)
      const path = join(dir.path, "admin.key")
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      assert.include(service.output, path)
      assert.notMatch(service.output, /vc_admin_[0-9a-f]{64}/)
      await service.signal("SIGTERM")
    }
    await using service = await start(env)
    const { stdout: key } = await run("cat", [join(dir.path, "admin.key")])
    assert.strictEqual((await call(service, "GET", "/api/admin/tenants", { bearer: key.trim() })).status, 200)
  })

  it("refuses a second process on the same data directory, and leaves the first alone", async () => {
    using dir = tempDir()
    const env = { DATA_DIR: dir.path, ROOMKEY_ADMIN_KEY: adminKey }
    await using first = await start(env)
    const { api_key } = await makeTenant(first)
    await using second = launch(env)
    assert.strictEqual((await second.exited).code, 1)
    assert.match(second.output, /data directory .* is in use by another process/)
    assert.include(second.output, dir.path)
    const { token } = await signIn(first, api_key, "ada")
    assert.strictEqual((await me(first, token)).status, 200)
  })

  it.for(
    [
      ["PORT", "x"],
      ["ACCESS_TTL", "soon"],
      ["ROOMKEY_ADMIN_KEY", "abc"],
      ["ROOMKEY_ADMIN_KEY", `vc_admin_${"A".repeat(64)}`],
      ["LOG_LEVEL", "loud"],
      ["ARGON2_MEMORY_KIB", "-1"],
      ["ICE_SERVERS", "turn:turn.example"],
      ["TURN_SECRET", "a secret without its URLs"]
    ] as const
  )("refuses %s=%s by the variable's name", async ([name, value]) => {
    using dir = tempDir()
    await using service = launch({ DATA_DIR: dir.path, [name]: value })
    assert.strictEqual((await service.exited).code, 1)
    assert.include(service.output, name)
    assert.notMatch(service.output, /Listening/)
    if (name === "ROOMKEY_ADMIN_KEY" || name === "TURN_SECRET") assert.notInclude(service.output, value)
  })
})
