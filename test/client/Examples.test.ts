// Every example of the client's documentation, taken from its comments and run against the real service.
import { assert, layer } from "@effect/vitest"
import * as effect from "effect"
import { Effect } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import * as clientEffect from "../../src/client/effect.ts"
import * as client from "../../src/client/index.ts"
import { visit } from "../example/client.ts"
import { count } from "../example/clientEffect.ts"
import * as Server from "../support/Server.ts"
import { makeTenant, password } from "./Support.ts"

const folder = new URL("../../src/client/", import.meta.url)

const examples = readdirSync(folder).flatMap((file) =>
  [...readFileSync(new URL(file, folder), "utf8").matchAll(/@example\n( *) \* ```ts\n([^]*?)\n\1 \* ```/g)]
    .map(([, , lines], n) => ({ name: `${file} ${n + 1}`, code: lines!.replaceAll(/^ *\* ?/gm, "") }))
)

const modules: Record<string, unknown> = { effect, "roomkey/client": client, "roomkey/client/effect": clientEffect }

/** As a function's body: imports are taken from `modules`, and addresses are those of the running service. */
const compile = (code: string, baseUrl: string, appId: string) => {
  const body = code
    .replaceAll(/^import (\{[^}]*\}) from "(.*)"$/gm, (_, names, module) => `const ${names} = modules["${module}"]`)
    .replaceAll("https://voice.example", baseUrl)
    .replaceAll("vc_app_…", appId)
  const names = ["modules", "auth", "realtime", "channel", "tokensFromMyBackend", "RTCPeerConnection", "console"]
  const AsyncFunction = (async () => {}).constructor as new (...args: ReadonlyArray<string>) => (
    ...args: ReadonlyArray<unknown>
  ) => Promise<void>
  return new AsyncFunction(...names, `{ ${body}\n }`)
}

class PeerConnection {
  localDescription: { readonly sdp: string } | undefined
  setLocalDescription() {
    this.localDescription = { sdp: "v=0\r\n" }
  }
  setRemoteDescription() {}
}

layer(Server.layer(), { excludeTestServices: true, timeout: "60 seconds" })("Examples", (it) => {
  for (const { code, name } of examples) {
    it.effect(`runs the example ${name}`, () =>
      Effect.gen(function* () {
        const { apiKey, appId, auth: make, baseUrl } = yield* makeTenant
        const { body: tokens } = yield* Server.autoAuth(apiKey, { username: "joan" })
        const logged: Array<string> = []
        yield* Effect.promise(async () => {
          const [auth, other] = [make(), make()]
          await auth.login("ada", password)
          other.adopt(tokens)
          const channel = await auth.call<{ id: number }>("POST", "/api/channels", { name: "Lobby" })
          const [realtime, others] = [client.createRealtime(auth), client.createRealtime(other)]
          const answered = new Promise<void>((resolve) => {
            others.on("webrtc_offer", () => resolve())
            others.on("webrtc_answer", () => resolve())
          })
          await Promise.all([realtime.connect(), others.connect()])
          await realtime.join(channel.id)
          await others.join(channel.id, "listener")
          const run = compile(code, baseUrl, appId)
          const console = { log: (...values: ReadonlyArray<unknown>) => logged.push(values.join(" ")) }
          await run(modules, auth, realtime, channel, async () => tokens, PeerConnection, console)
          if (code.includes("RTCPeerConnection")) {
            await others.leave()
            await others.join(channel.id, "listener")
            await others.sendOffer(realtime.connectionId!, "v=0\r\n")
            await answered
          }
          realtime.close()
          others.close()
        })
        assert.isTrue(logged.every((line) => !line.includes("undefined")), logged.join("\n"))
        const says = code.includes("console.log") && !/realtime\.on\(|onChange/.test(code)
        if (says) assert.isNotEmpty(logged)
      }))
  }

  it("has an example for everything that a client can do", () => {
    const auth = client.createAuth({ baseUrl: "http://localhost" })
    const doable = { auth, realtime: client.createRealtime(auth) }
    const all = examples.map(({ code }) => code).join("\n")
    for (const [name, object] of Object.entries(doable)) {
      for (const [key, value] of Object.entries(object)) {
        if (typeof value === "function") assert.include(all, `${name}.${key}(`)
      }
    }
  })

  it.effect("runs the README's example", () =>
    Effect.gen(function* () {
      const { appId, auth: make, baseUrl } = yield* makeTenant
      const lines: Array<string> = []
      yield* Effect.promise(async () => {
        const other = make()
        await other.register("grace", password)
        const channel = await other.call<{ id: number }>("POST", "/api/channels", { name: "Lobby" })
        const realtime = client.createRealtime(other)
        const auth = await visit(baseUrl, appId, (line) => lines.push(line))
        await realtime.connect()
        const came = new Promise<void>((resolve) => {
          const timer = setInterval(() => lines.includes("grace came") && (clearInterval(timer), resolve()), 5)
        })
        await realtime.join(channel.id)
        await came
        const left = new Promise<void>((resolve) => void realtime.on("user_left", () => resolve()))
        await auth?.logout()
        await left
        realtime.close()
      })
      assert.deepEqual(lines, ["Here: ada", "grace came", "Signed out: signed_out"])
    }))

  it.effect("runs the README's example for Effect", () =>
    Effect.gen(function* () {
      const { appId, auth: make, baseUrl } = yield* makeTenant
      const channel = yield* Effect.promise(async () => {
        const other = make()
        await other.login("ada", password)
        return other.call<{ id: number }>("POST", "/api/channels", { name: "Lobby" })
      })
      assert.strictEqual(yield* count(baseUrl, appId, channel.id), "1 in the channel")
      assert.strictEqual(yield* count(baseUrl, appId, 1_000_000), "No such channel")
      assert.match(yield* count(baseUrl, `vc_app_${"0".repeat(32)}`, channel.id), /do not match/)
    }))
})
