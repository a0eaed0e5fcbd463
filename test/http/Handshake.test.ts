// GET /ws over raw sockets: every handshake that is refused is an ordinary HTTP problem.
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { connect } from "node:net"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as World from "../support/World.ts"

const signedIn = Effect.gen(function* () {
  const { body } = yield* call("POST", "/api/admin/tenants", { bearer: World.adminKey, json: { name: "Voice" } })
  const answer = yield* Server.autoAuth(body.api_key, { username: "ada" })
  return { apiKey: body.api_key as string, appId: body.app_id as string, token: answer.body.token as string }
})

/** Sends one request head and reads until the answer's head and, unless it is an upgrade, its body are here. */
const raw = (head: string, headers: Record<string, string>) =>
  Effect.gen(function* () {
    const { hostname, port } = new URL(yield* Server.baseUrl)
    return yield* Effect.callback<
      { readonly status: number; readonly head: string; readonly code: string | undefined }
    >(
      (resume) => {
        const socket = connect(Number(port), hostname)
        let text = ""
        socket.on("error", (error) => resume(Effect.die(error)))
        socket.on("data", (data) => {
          text += data.toString("latin1")
          const [answered, body] = text.split("\r\n\r\n")
          const length = Number(/content-length: (\d+)/i.exec(answered!)?.[1] ?? 0)
          if (body === undefined || (!answered!.includes(" 101 ") && body.length < length)) return
          socket.destroy()
          const status = Number(answered!.split(" ")[1])
          resume(Effect.succeed({ status, head: answered!, code: status === 101 ? undefined : JSON.parse(body).code }))
        })
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("")
        socket.write(`${head}\r\nHost: localhost\r\n${lines}\r\n`)
      }
    )
  })

const handshake = {
  "Upgrade": "websocket",
  "Connection": "Upgrade",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version": "13"
}

layer(Server.layer(), { excludeTestServices: true, timeout: "60 seconds" })("GET /ws", (it) => {
  it.effect("upgrades with the token in the query, in the header, with app_id, and in the subprotocol pair", () =>
    Effect.gen(function* () {
      const { appId, token } = yield* signedIn
      const answers = [
        yield* raw(`GET /ws?token=${token} HTTP/1.1`, handshake),
        yield* raw(`GET /ws?token=${token}&app_id=${appId} HTTP/1.1`, handshake),
        yield* raw(`GET http://localhost/ws?token=${token} HTTP/1.1`, handshake),
        yield* raw("GET /ws HTTP/1.1", { ...handshake, Authorization: `Bearer ${token}` }),
        yield* raw("GET /ws HTTP/1.1", {
          ...handshake,
          "Sec-WebSocket-Protocol": `roomkey.v1, roomkey.bearer.${token}`
        }),
        yield* raw("GET /ws HTTP/1.1", {
          ...handshake,
          "Sec-WebSocket-Protocol": `roomkey.bearer.${token}, roomkey.v1`
        })
      ]
      assert.deepEqual(answers.map(({ status }) => status), [101, 101, 101, 101, 101, 101])
      for (const { head } of answers) assert.notInclude(head, token)
      for (const { head } of answers.slice(-2)) assert.match(head, /sec-websocket-protocol: roomkey\.v1\r?$/im)
    }))

  it.effect("opens sockets for pages that the tenant lists and for clients that are no page, whatever the credential", () =>
    Effect.gen(function* () {
      const { apiKey, token } = yield* signedIn
      yield* call("PATCH", "/api/tenant", { bearer: apiKey, json: { allowed_origins: ["https://app.example"] } })
      const status = Effect.fnUntraced(function* (headers: Record<string, string>) {
        const { body } = yield* call("POST", "/api/ws-ticket", { bearer: token })
        const answers = [
          yield* raw(`GET /ws?token=${token} HTTP/1.1`, { ...handshake, ...headers }),
          yield* raw(`GET /ws?ticket=${body.ticket} HTTP/1.1`, { ...handshake, ...headers }),
          yield* raw("GET /ws HTTP/1.1", { ...handshake, ...headers, Authorization: `Bearer ${token}` })
        ]
        return answers.map(({ code, status }) => code ?? status)
      })
      const all = (answer: number | string) => [answer, answer, answer]
      assert.deepEqual(yield* status({ Origin: "https://app.example" }), all(101))
      assert.deepEqual(yield* status({}), all(101))
      for (const Origin of ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"]) {
        assert.deepEqual(yield* status({ Origin }), all("app_mismatch"), Origin)
      }
    }))

  it.effect("refuses every other handshake by a problem with its code", () =>
    Effect.gen(function* () {
      const { token } = yield* signedIn
      const other = yield* signedIn
      const get = `GET /ws?token=${token} HTTP/1.1`
      const without = (name: keyof typeof handshake) => {
        const { [name]: _, ...rest } = handshake
        return rest
      }
      const refused: ReadonlyArray<readonly [string, string, Record<string, string>, number, string]> = [
        ["no token", "GET /ws HTTP/1.1", handshake, 401, "invalid_token"],
        ["a bad token", "GET /ws?token=x HTTP/1.1", handshake, 401, "invalid_token"],
        ["two tokens", get, { ...handshake, Authorization: `Bearer ${other.token}` }, 400, "invalid_request"],
        ["another app", `GET /ws?token=${token}&app_id=${other.appId} HTTP/1.1`, handshake, 403, "app_mismatch"],
        ["two apps", `GET /ws?token=${token}&app_id=a&app_id=b HTTP/1.1`, handshake, 403, "app_mismatch"],
        ["another spelling", `GET /%77s?token=${token} HTTP/1.1`, handshake, 400, "invalid_request"],
        ["no upgrade", get, {}, 400, "invalid_request"],
        ["another upgrade", get, { ...handshake, Upgrade: "h2c" }, 400, "invalid_request"],
        ["no connection option", get, without("Connection"), 400, "invalid_request"],
        ["no key", get, without("Sec-WebSocket-Key"), 400, "invalid_request"],
        ["a bad key", get, { ...handshake, "Sec-WebSocket-Key": "x" }, 400, "invalid_request"],
        ["no version", get, without("Sec-WebSocket-Version"), 400, "invalid_request"],
        ["version 99", get, { ...handshake, "Sec-WebSocket-Version": "99" }, 400, "invalid_request"],
        ["a subprotocol twice", get, { ...handshake, "Sec-WebSocket-Protocol": "a, a" }, 400, "invalid_request"],
        ["an empty subprotocol", get, { ...handshake, "Sec-WebSocket-Protocol": "a,,b" }, 400, "invalid_request"]
      ]
      for (const [name, head, headers, status, code] of refused) {
        const answer = yield* raw(head, headers)
        assert.deepEqual([answer.status, answer.code], [status, code], name)
        assert.match(answer.head, /content-type: application\/problem\+json/i, name)
      }
    }))
})
