// What the service writes and answers, read by a thief: every log line in both formats and at every level, every span
// with what it says of its failure, the metrics and every answer, over a journey that goes well and badly. No secret is
// in any of it but in the one answer that hands it out; nor is a piece of one, its digest or a password's hash.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Console, Effect, Exit, Layer, Tracer } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { format, inspect } from "node:util"
import * as Raw from "./abuse/Raw.ts"
import { call } from "./support/Server.ts"
import * as Server from "./support/Server.ts"

/** As much of a secret as tells that it is there. */
const piece = 10

const hex = (bytes: number) => randomBytes(bytes).toString("hex")
const unpadded = (bytes: number) => randomBytes(bytes).toString("base64").replace(/=+$/, "")

/** Everything that left the service by a side door. */
const makeCapture = () => {
  const output: Array<string> = []
  const write = (...args: ReadonlyArray<unknown>) => void output.push(format(...args))
  const console = new Proxy({} as Console.Console, { get: () => write })
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const spanTexts = () =>
    spans.map((span) => {
      const { status } = span
      const cause = status._tag === "Ended" && Exit.isFailure(status.exit) ? status.exit.cause : undefined
      return [
        span.name,
        inspect([span.attributes, span.events, span.links], { depth: 10 }),
        cause === undefined ? "" : Cause.pretty(cause)
      ].join(" ")
    })
  return {
    output,
    spanTexts,
    layer: Layer.mergeAll(Layer.succeed(Console.Console, console), Layer.succeed(Tracer.Tracer, tracer))
  }
}

/** The secrets of a journey, by what they are. */
class Vault {
  readonly secrets = new Map<string, string>()

  /** The secret half of a token or key, and what is kept of it. */
  token(name: string, text: string): string {
    return this.hashed(name, text, text.slice(-32))
  }

  /** A ticket is secret from end to end. */
  ticket(name: string, text: string): string {
    return this.hashed(name, text, text)
  }

  private hashed(name: string, text: string, half: string): string {
    const bytes = Buffer.from(half, "hex")
    const digest = createHash("sha256").update(bytes).digest()
    this.secrets.set(name, half)
    this.secrets.set(`${name} in base64`, bytes.toString("base64"))
    this.secrets.set(`digest of ${name} in hex`, digest.toString("hex"))
    this.secrets.set(`digest of ${name} in base64`, digest.toString("base64"))
    this.secrets.set(`digest of ${name} in numbers`, [...digest.subarray(0, 8)].join(","))
    return text
  }

  text(name: string, text: string): string {
    this.secrets.set(name, text)
    return text
  }

  /** The names of the secrets of which a piece is in `text`. */
  leaksIn(text: string): ReadonlyArray<string> {
    const pieces = new Map<string, string>()
    for (const [name, secret] of this.secrets) {
      for (let start = 0; start + piece <= secret.length; start++) pieces.set(secret.slice(start, start + piece), name)
    }
    const found = new Set<string>()
    for (let start = 0; start + piece <= text.length; start++) {
      const name = pieces.get(text.slice(start, start + piece))
      if (name !== undefined) found.add(name)
    }
    return [...found]
  }
}

const adminKey = `vc_admin_${hex(32)}`
const turnSecret = hex(32)
const iceServers = [{ urls: "turn:turn.example", username: "everybody", credential: hex(16) }]

const journey = (vault: Vault) =>
  Effect.gen(function* () {
    const sql = yield* PgClient
    const answers: Array<string> = []
    let pairs = 0
    let credentials = 0

    /** What is left to tell of an answer that may name ICE servers, whose credentials are known from then on. */
    const withoutCredentials = (answer: { readonly ice_servers?: unknown } | undefined, text: string) => {
      const servers = (answer?.ice_servers ?? []) as ReadonlyArray<{ readonly credential: string }>
      return servers.reduce(
        (text, { credential }) =>
          text.replaceAll(vault.text(`ICE server's credential ${++credentials}`, credential), ""),
        text
      )
    }

    /** One call; a secret that its answer hands out is known from then on and may be in this answer alone. */
    const tell = Effect.fnUntraced(function* (method: string, path: string, options: Server.Call = {}) {
      const answer = yield* call(method, path, options)
      let { text } = answer
      for (const field of ["token", "refresh_token", "api_key"]) {
        const secret = answer.status < 300 ? answer.body?.[field] : undefined
        if (secret === undefined) continue
        if (![...vault.secrets.values()].includes(secret.slice(-32))) vault.token(`${field} ${++pairs}`, secret)
        text = text.replaceAll(secret, "")
      }
      const ticket = answer.status < 300 ? answer.body?.ticket : undefined
      if (ticket !== undefined) text = text.replaceAll(vault.ticket(`ticket ${++pairs}`, ticket), "")
      text = withoutCredentials(answer.body, text)
      answers.push(`${method} ${answer.status} ${text} ${inspect([...answer.headers])}`)
      return answer
    })
    const succeed = Effect.fnUntraced(function* (method: string, path: string, options: Server.Call = {}) {
      const answer = yield* tell(method, path, options)
      assert.isBelow(answer.status, 300, `${method} ${path.slice(0, 20)} ${answer.text}`)
      return answer.body
    })
    const fail = Effect.fnUntraced(function* (status: number, method: string, path: string, options: Server.Call = {}) {
      const answer = yield* tell(method, path, options)
      assert.strictEqual(answer.status, status, `${method} ${path.slice(0, 20)} ${answer.text}`)
    })
    const shake = Effect.fnUntraced(function* (path: string, headers: ReadonlyArray<string> = []) {
      const answer = yield* Raw.exchange(Raw.handshake(path, headers))
      answers.push(inspect(answer))
      return answer?.status
    })

    vault.text("the admin key", adminKey.slice("vc_admin_".length))
    vault.text("the TURN secret", turnSecret)
    const password = vault.text("the right password", `right ${hex(8)}`)
    const wrong = vault.text("a wrong password", `wrong ${hex(8)}`)
    const next = vault.text("the next password", `next ${hex(8)}`)
    const bytes = vault.text("an imported hash", unpadded(32))
    const imported = `$scrypt$ln=4,r=8,p=1$${unpadded(16)}$${bytes}`
    const weak = vault.text("a weak password", `weakly ${hex(8)}`)
    const forged = vault.token("a forged token", hex(32))

    // All goes well.
    const { api_key, app_id } = yield* succeed("POST", "/api/admin/tenants", { bearer: adminKey, json: { name: "A" } })
    yield* succeed("GET", "/api/admin/tenants", { bearer: adminKey })
    const first = yield* succeed("POST", "/api/auth/auto", { bearer: api_key, json: { username: "ada" } })
    const user = yield* succeed("POST", "/api/tenant/users", { bearer: api_key, json: { username: "bob", password } })
    const brought = (username: string, password_hash: unknown) => ({
      bearer: api_key,
      json: { username, password_hash }
    })
    const ivy = yield* succeed("POST", "/api/tenant/users", brought("ivy", imported))
    yield* succeed("GET", `/api/tenant/users/${ivy.id}`, { bearer: api_key })
    yield* succeed("GET", "/api/tenant/users", { headers: { "x-api-key": api_key } })
    const login = (password: string) => ({ json: { app_id, username: "bob", password } })
    const byPassword = yield* succeed("POST", "/api/auth/token", login(password))
    const second = yield* succeed("POST", "/api/token/refresh", { json: { refresh_token: first.refresh_token } })
    yield* succeed("POST", "/api/token/refresh", { json: { refresh_token: first.refresh_token } })
    yield* succeed("GET", "/api/me", { bearer: second.token })
    yield* succeed("GET", `/api/me?token=${second.token}`)
    yield* succeed("GET", `/API/me?a=1&%74oken=${second.token}`)
    const { ice_servers } = yield* succeed("GET", "/api/ice-servers", { bearer: second.token })
    assert.strictEqual(ice_servers.length, 2)
    yield* succeed("POST", "/api/channels", { bearer: second.token, json: { name: "Lobby" } })

    // The socket, by each of the ways in, and frames that say secrets.
    assert.strictEqual(yield* shake(`/ws?token=${second.token}&app_id=${app_id}`), 101)
    assert.strictEqual(yield* shake("/ws", [`Authorization: Bearer ${second.token}`]), 101)
    assert.strictEqual(yield* shake("/ws", [`Sec-WebSocket-Protocol: roomkey.v1, roomkey.bearer.${second.token}`]), 101)
    assert.strictEqual(yield* shake("/ws", [`Sec-WebSocket-Protocol: roomkey.v1, roomkey.bearer.${forged}`]), 401)
    const ticket = Effect.map(
      succeed("POST", "/api/ws-ticket", { bearer: second.token }),
      (body) => body.ticket as string
    )
    const used = yield* ticket
    assert.strictEqual(yield* shake(`/ws?ticket=${used}`), 101)
    assert.strictEqual(yield* shake(`/ws?ticket=${used}`), 401)
    assert.strictEqual(yield* shake(`/WS?a=1&%74icket=${yield* ticket}&app_id=vc_app_${"0".repeat(32)}`), 403)
    assert.strictEqual(yield* shake(`/ws?ticket=${yield* ticket}&token=${second.token}`), 400)
    yield* fail(401, "GET", `/api/me?ticket=${yield* ticket}`)
    yield* fail(404, "GET", `/nope?ticket=${yield* ticket}`)
    yield* fail(401, "GET", "/api/me", { bearer: yield* ticket })
    yield* fail(401, "POST", "/api/token/refresh", { json: { refresh_token: yield* ticket } })
    yield* succeed("PATCH", "/api/tenant", { bearer: api_key, json: { query_tokens: false } })
    yield* fail(401, "GET", `/api/me?token=${second.token}`)
    assert.strictEqual(yield* shake(`/ws?token=${second.token}`), 401)
    yield* succeed("PATCH", "/api/tenant", { bearer: api_key, json: { query_tokens: true } })
    assert.strictEqual(yield* shake(`/ws?token=${second.token}&app_id=vc_app_${"0".repeat(32)}`), 403)
    assert.strictEqual(yield* shake(`/ws?token=${second.token}`, [`Authorization: Bearer ${forged}`]), 400)
    const { connection, ready } = yield* Raw.openSocket(byPassword.token)
    answers.push(withoutCredentials(ready, inspect(ready, { depth: 10 })))
    for (const frame of [second.token, `{"type":"${password}"}`, `{"type":"ping","id":{"a":"${second.token}"}}`]) {
      connection.send(Raw.encode(Raw.opcode.text, frame))
      answers.push(inspect(yield* connection.json, { depth: 10 }))
    }

    // Secrets where none belongs.
    yield* fail(401, "POST", "/api/auth/token", login(wrong))
    yield* fail(401, "POST", "/api/auth/token", { json: { app_id: api_key, username: "bob", password } })
    yield* fail(400, "POST", "/api/auth/token", login(password.repeat(20)))
    yield* fail(400, "POST", "/api/auth/token", { json: { app_id, username: "bob", password: [password] } })
    yield* fail(400, "POST", "/api/auth/token", { json: { app_id, username: ` ${password}`, password: { password } } })
    yield* fail(400, "POST", "/api/token/refresh", { json: { refresh_token: first.refresh_token.repeat(5) } })
    yield* fail(400, "POST", "/api/token/refresh", { json: { refresh_token: { a: second.refresh_token } } })
    yield* fail(400, "POST", "/api/token/refresh", { json: { [second.refresh_token]: 1 } })
    yield* fail(401, "POST", "/api/token/refresh", { json: { refresh_token: `${second.refresh_token} ` } })
    for (const body of [password, `"${password}`, `{"password":${password}}`, `{"refresh_token":"${forged}`]) {
      yield* fail(400, "POST", "/api/auth/token", { body })
      yield* fail(400, "POST", "/api/token/refresh", { body })
    }
    yield* fail(415, "POST", "/api/auth/token", { body: password, headers: { "content-type": "text/plain" } })
    const badProfile = { username: [second.token], custom_id: 1, picture_url: second.token, metadata: [password] }
    yield* fail(400, "POST", "/api/auth/auto", { bearer: api_key, json: badProfile })
    yield* fail(400, "POST", "/api/tenant/users", {
      bearer: api_key,
      json: { username: "eve", password: weak.slice(0, 7) }
    })
    yield* fail(400, "POST", "/api/tenant/users", { bearer: api_key, json: { username: weak, password: weak } })
    for (
      const hash of [`${imported}=`, imported.replace("ln=4", "ln=40"), imported.slice(9), [imported], { imported }]
    ) {
      yield* fail(400, "POST", "/api/tenant/users", brought("mallory", hash))
    }
    yield* fail(400, "POST", "/api/tenant/users", {
      bearer: api_key,
      json: { username: "mallory", password, password_hash: imported }
    })
    yield* fail(401, "POST", "/api/auth/token", { json: { app_id, username: "ivy", password } })
    yield* fail(400, "PUT", `/api/tenant/users/x/password`, { bearer: api_key, json: { password } })
    yield* fail(404, "PUT", `/api/tenant/users/99999/password`, { bearer: api_key, json: { password } })
    yield* fail(401, "GET", "/api/me", { headers: { authorization: `Basic ${second.token}` } })
    yield* fail(401, "GET", "/api/me", { bearer: api_key })
    yield* fail(401, "GET", "/api/me", { headers: { cookie: `token=${second.token}`, "x-token": second.token } })
    yield* fail(400, "GET", `/api/me?token=${second.token}`, { bearer: forged })
    yield* fail(401, "GET", `/api/me?token=${forged}`)
    yield* fail(401, "POST", `/api/logout?token=${second.token}`)
    yield* fail(404, "GET", `/nope?token=${second.token}`)
    yield* fail(401, "POST", "/api/admin/tenants", { bearer: api_key, json: { name: "B" } })
    yield* fail(401, "POST", "/api/admin/tenants", { bearer: `${adminKey}0`, json: { name: "B" } })
    yield* fail(405, "PATCH", "/api/me", { bearer: second.token })

    // The database refuses what it may not: its errors name rows, statements and parameters.
    const hashes = yield* sql<{ hash: string }>`select password_hash as hash from users where password_hash is not null`
    for (const { hash } of hashes) vault.text("a password's hash", hash.split("$").at(-1)!)
    const broken = Effect.fnUntraced(function* (status: number) {
      yield* fail(status, "POST", "/api/auth/auto", { bearer: api_key, json: { username: "ada" } })
      yield* fail(status, "POST", "/api/auth/token", login(password))
      yield* fail(status, "POST", "/api/token/refresh", { json: { refresh_token: second.refresh_token } })
      yield* fail(status, "POST", "/api/logout", { bearer: second.token })
    })
    yield* sql`alter table sessions add constraint broken check (false) not valid`
    yield* broken(500)
    yield* sql`alter table sessions drop constraint broken`
    yield* sql`alter table users add constraint broken check (password_hash is null) not valid`
    yield* fail(500, "PUT", `/api/tenant/users/${user.id}/password`, { bearer: api_key, json: { password: next } })
    yield* fail(500, "POST", "/api/tenant/users", { bearer: api_key, json: { username: "eve", password: next } })
    yield* fail(500, "PUT", `/api/tenant/users/${user.id}/password`, {
      bearer: api_key,
      json: { password_hash: imported }
    })
    yield* fail(500, "POST", "/api/tenant/users", brought("eve", imported))
    yield* sql`alter table users drop constraint broken`
    yield* sql`alter table sessions rename to sessions_away`
    yield* broken(500)
    yield* fail(500, "GET", `/api/me?token=${second.token}`)
    assert.strictEqual(yield* shake(`/ws?token=${second.token}`), 500)
    assert.strictEqual(yield* shake("/ws", [`Sec-WebSocket-Protocol: roomkey.v1, roomkey.bearer.${second.token}`]), 500)
    yield* sql`alter table sessions_away rename to sessions`
    const lost = yield* ticket
    yield* sql`alter table tickets rename to tickets_away`
    yield* fail(500, "POST", "/api/ws-ticket", { bearer: second.token })
    assert.strictEqual(yield* shake(`/ws?ticket=${lost}`), 500)
    yield* sql`alter table tickets_away rename to tickets`
    yield* sql`alter table tickets add constraint broken check (false) not valid`
    yield* fail(500, "POST", "/api/ws-ticket", { bearer: second.token })
    yield* sql`alter table tickets drop constraint broken`
    yield* sql`create function away() returns trigger language plpgsql as
      $$ begin raise exception 'away' using errcode = '57P01', detail = new::text; end $$`
    yield* sql`create trigger away before insert or update on sessions for each row execute function away()`
    yield* broken(503)
    yield* sql`drop trigger away on sessions`

    // It ends badly, and then well.
    const third = yield* succeed("POST", "/api/token/refresh", { json: { refresh_token: second.refresh_token } })
    yield* fail(401, "POST", "/api/token/refresh", { json: { refresh_token: first.refresh_token } })
    yield* fail(401, "GET", "/api/me", { bearer: third.token })
    yield* succeed("PUT", `/api/tenant/users/${user.id}/password`, { bearer: api_key, json: { password: next } })
    answers.push(inspect(yield* connection.closed))
    const last = yield* succeed("POST", "/api/auth/token", login(next))
    yield* succeed("POST", "/api/logout", { bearer: last.token })
    yield* succeed("GET", "/metrics")
    yield* succeed("GET", "/openapi.json")
    return answers
  })

describe("Secrets", () => {
  for (const logFormat of ["json", "pretty"]) {
    it.live(
      `shows no secret, no piece of one and no digest in logs (${logFormat}), spans, metrics and answers`,
      () =>
        Effect.gen(function* () {
          const capture = makeCapture()
          const vault = new Vault()
          const server = Server.layer({
            LOG_LEVEL: "All",
            LOG_FORMAT: logFormat,
            ROOMKEY_ADMIN_KEY: adminKey,
            ICE_SERVERS: JSON.stringify(iceServers),
            TURN_URLS: "turn:turn.example",
            TURN_SECRET: turnSecret
          })
          const answers = yield* journey(vault).pipe(
            Effect.scoped,
            Effect.provide(Layer.provide(server, capture.layer))
          )
          const spans = capture.spanTexts()
          for (const heard of ["Signed in", "Refresh token reused", "Request failed"]) {
            assert.isTrue(capture.output.some((line) => line.includes(heard)), heard)
          }
          for (const seen of ["autoAuth", "refreshSession", "passwordAuth", "authenticateAdmin", "GET"]) {
            assert.isTrue(spans.some((span) => span.startsWith(seen)), seen)
          }
          for (const url of ["/api/me?token=REDACTED", "/ws?ticket=REDACTED"]) {
            assert.isTrue(spans.some((span) => span.includes(url)), url)
          }
          assert.isAbove(vault.secrets.size, 60)
          for (const [where, texts] of Object.entries({ answers, logs: capture.output, spans })) {
            for (const text of texts) assert.deepEqual(vault.leaksIn(text), [], `${where}: ${text.slice(0, 3000)}`)
          }
        }),
      60_000
    )
  }
})
