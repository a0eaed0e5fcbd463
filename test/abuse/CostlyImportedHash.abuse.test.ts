// A hash is work that its owner makes the server do at each login, and a text that a parser has to survive. What would
// cost too much, or is not quite a hash, is refused when it is brought (kratos' hash limits); and no hash is ever shown.
import { assert, layer } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { call } from "../support/Server.ts"
import * as Server from "../support/Server.ts"
import * as Wire from "./Wire.ts"

const bcrypt = "$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
const salt = "MDEyMzQ1Njc4OWFiY2RlZg"
const hash = "ebnHHTApWa0oNoXTYCCHxLXDaejcvcTRQhZaD1OJNCE"

const costly = {
  "argon2id's memory": `$argon2id$v=19$m=4194304,t=1,p=1$${salt}$${hash}`,
  "argon2id's time": `$argon2id$v=19$m=64,t=4294967295,p=1$${salt}$${hash}`,
  "bcrypt's cost": bcrypt.replace("$04$", "$31$"),
  "scrypt's memory": `$scrypt$ln=30,r=8,p=1$${salt}$${hash}`,
  "scrypt's block size": `$scrypt$ln=10,r=4294967295,p=1$${salt}$${hash}`,
  "scrypt beyond its definition": `$scrypt$ln=16,r=1,p=1$${salt}$${hash}`,
  "scrypt's parallelism": `$scrypt$ln=1,r=1,p=1073741823$${salt}$${hash}`
}

const malformed = {
  "one of 60,000 characters": bcrypt.repeat(1000),
  "60,000 parts": "$".repeat(60_000),
  "a number of 60,000 digits": `$scrypt$ln=${"1".repeat(60_000)},r=8,p=1$${salt}$${hash}`,
  "NUL": `${bcrypt}\u0000`,
  "a lone surrogate": bcrypt.replace("E5", "\ud800"),
  "digits of another script": bcrypt.replace("04", "\u0660\u0664"),
  "base64 for URLs": `$scrypt$ln=4,r=8,p=1$${salt}$${hash.replace("N", "-")}`,
  "padded base64": `$scrypt$ln=4,r=8,p=1$${salt}==$${hash}=`
}

let next = 0

const create = (tenant: Wire.Tenant, fields: Readonly<Record<string, unknown>>) =>
  call("POST", "/api/tenant/users", { bearer: tenant.api_key, json: { username: `user ${next++}`, ...fields } })

const isRefused = (answer: Server.Answer, path: string) => {
  Wire.isProblem(answer, 400, "invalid_request")
  assert.deepEqual(answer.body.errors.map((error: { path: string }) => error.path), [path], answer.text)
}

layer(Server.layer(), Wire.options)("CostlyImportedHash", (it) => {
  for (const [name, password_hash] of Object.entries({ ...costly, ...malformed })) {
    it.effect(`is refused: ${name}`, () =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        isRefused(yield* create(tenant, { password_hash }), "password_hash")
        const { user } = yield* Wire.signIn(tenant)
        const put = yield* call("PUT", `/api/tenant/users/${user.id}/password`, {
          bearer: tenant.api_key,
          json: { password_hash }
        })
        isRefused(put, "password_hash")
        assert.notInclude(put.text, password_hash.slice(-20))
      }))
  }

  it.effect("is asked for alone: with a password beside it, or neither of the two, nothing is set", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      isRefused(yield* create(tenant, { password_hash: bcrypt, password: Wire.password }), "password_hash")
      const { user } = yield* Wire.signIn(tenant)
      const put = (json: unknown) =>
        call("PUT", `/api/tenant/users/${user.id}/password`, { bearer: tenant.api_key, json })
      isRefused(yield* put({ password_hash: bcrypt, password: Wire.password }), "password_hash")
      isRefused(yield* put({}), "password")
      for (const nothing of [null, 1, "", [bcrypt], { hash: bcrypt }]) {
        isRefused(yield* put({ password_hash: nothing }), "password_hash")
      }
    }))

  const near = Arbitrary.schema(Schema.Struct({
    at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 })),
    drop: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })),
    put: Schema.String.check(Schema.isMaxLength(5)),
    from: Schema.Literals([bcrypt, ...Object.values(costly), `$scrypt$ln=4,r=8,p=1$${salt}$${hash}`])
  }))
  it.effect.prop(
    "never breaks the server, however it is bent: it is taken and can be tried, or it is refused",
    [near],
    ([{ at, drop, from, put }]) =>
      Effect.gen(function* () {
        const tenant = yield* Wire.makeTenant
        const password_hash = from.slice(0, at) + put + from.slice(at + drop)
        const answer = yield* create(tenant, { username: "ada", password_hash })
        if (answer.status !== 201) return isRefused(answer, "password_hash")
        Wire.isProblem(yield* Wire.login(tenant.app_id, "ada", "a wrong password"), 401, "invalid_credentials")
      }),
    { arbitrary: { runs: 60 } }
  )

  it.effect("is never shown again", () =>
    Effect.gen(function* () {
      const tenant = yield* Wire.makeTenant
      const created = yield* create(tenant, { password_hash: bcrypt })
      assert.isTrue(created.body.has_password)
      const answers = [
        created,
        yield* call("GET", `/api/tenant/users/${created.body.id}`, { bearer: tenant.api_key }),
        yield* call("GET", "/api/tenant/users", { bearer: tenant.api_key }),
        yield* call("GET", "/api/tenant/events", { bearer: tenant.api_key })
      ]
      for (const { text } of answers) assert.notInclude(text, "E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")
    }))
})
