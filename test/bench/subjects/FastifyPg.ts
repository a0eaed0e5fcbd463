// The service that a careful team would write by hand with Fastify and `pg`: digests of tokens, prepared statements,
// compiled answers, one pool; API keys are remembered, sessions are asked of the database. It has the four hot calls and
// none of the rest: no reuse detection, no limits, no audit, no tenants to keep apart.
// Arguments: the folder of its packages. DATABASE_URL, API_KEY, APP_ID.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import { createRequire } from "node:module"
import { join } from "node:path"

const require = createRequire(join(process.argv[2]!, "index.js"))
const fastify = require("fastify")
const { Pool, types } = require("pg")
const argon2 = require("@node-rs/argon2")

// Ids fit a number.
types.setTypeParser(20, Number)
const pool = new Pool({ connectionString: process.env["DATABASE_URL"], max: 8 })
const digest = (text: string) => createHash("sha256").update(text).digest()
const apiKey = digest(process.env["API_KEY"]!)
const appId = process.env["APP_ID"]!

await pool.query(`
  create table users (
    id bigint generated always as identity primary key,
    username text not null unique,
    custom_id text unique,
    picture_url text,
    metadata jsonb,
    password_hash text
  );
  create table sessions (
    id bigint generated always as identity primary key,
    user_id bigint not null references users on delete cascade,
    access_digest bytea not null unique,
    refresh_digest bytea not null unique,
    access_expires_at timestamptz not null,
    refresh_expires_at timestamptz not null
  );
  create index on sessions (user_id);
`)

const bearer = (header: string | undefined) => header?.startsWith("Bearer ") === true ? header.slice(7) : ""
const mint = () => randomBytes(32).toString("hex")

const text = { type: "string" }
const nullable = { type: ["string", "null"] }
const user = {
  id: { type: "integer" },
  username: text,
  custom_id: nullable,
  picture_url: nullable,
  metadata: { type: ["object", "null"], additionalProperties: true }
}
const pair = { token: text, refresh_token: text, expires_in: { type: "integer" } }
const session = { type: "object", properties: { ...pair, user: { type: "object", properties: user } } }

const app = fastify({ logger: false })

app.get("/api/me", {
  schema: { response: { 200: { type: "object", properties: { ...user, tenant_id: { type: "integer" } } } } }
  // oxlint-disable-next-line typescript/no-explicit-any -- the package has no types here
}, async (request: any, reply: any) => {
  const { rows: [row] } = await pool.query({
    name: "me",
    text: `select u.id, u.username, u.custom_id, u.picture_url, u.metadata
      from sessions s join users u on u.id = s.user_id where s.access_digest = $1 and s.access_expires_at > now()`,
    values: [digest(bearer(request.headers.authorization))]
  })
  if (row === undefined) return reply.code(401).send({ code: "invalid_token" })
  return { ...row, tenant_id: 1 }
})

const open = async (userId: number) => {
  const [token, refreshToken] = [mint(), mint()]
  await pool.query({
    name: "open",
    text: `insert into sessions (user_id, access_digest, refresh_digest, access_expires_at, refresh_expires_at)
      values ($1, $2, $3, now() + interval '1 hour', now() + interval '30 days')`,
    values: [userId, digest(token), digest(refreshToken)]
  })
  return { token, refresh_token: refreshToken, expires_in: 3600 }
}

app.post("/api/auth/auto", {
  schema: {
    body: {
      type: "object",
      required: ["username"],
      properties: {
        username: { ...text, minLength: 1, maxLength: 128 },
        custom_id: text,
        picture_url: text,
        metadata: {}
      }
    },
    response: { 200: session }
  }
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
}, async (request: any, reply: any) => {
  if (!timingSafeEqual(digest(bearer(request.headers.authorization)), apiKey)) {
    return reply.code(401).send({ code: "invalid_api_key" })
  }
  const { custom_id, metadata, picture_url, username } = request.body
  const { rows: [row] } = await pool.query({
    name: "upsert",
    text: `insert into users (username, custom_id, picture_url, metadata) values ($1, $2, $3, $4)
      on conflict (username) do update set picture_url = coalesce($3, users.picture_url), metadata = $4
      returning id, username, custom_id, picture_url, metadata`,
    values: [username, custom_id ?? null, picture_url ?? null, metadata ?? null]
  })
  return { ...await open(row.id), user: row }
})

app.post("/api/auth/token", {
  schema: {
    body: {
      type: "object",
      required: ["app_id", "username", "password"],
      properties: { app_id: text, username: text, password: text }
    },
    response: { 200: session }
  }
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
}, async (request: any, reply: any) => {
  const { app_id, password, username } = request.body
  const { rows: [row] } = await pool.query({
    name: "login",
    text: "select id, username, custom_id, picture_url, metadata, password_hash from users where username = $1",
    values: [username]
  })
  if (app_id !== appId || row?.password_hash == null || !await argon2.verify(row.password_hash, password)) {
    return reply.code(401).send({ code: "invalid_credentials" })
  }
  return { ...await open(row.id), user: row }
})

app.post("/api/token/refresh", {
  schema: {
    body: { type: "object", required: ["refresh_token"], properties: { refresh_token: text } },
    response: { 200: { type: "object", properties: pair } }
  }
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
}, async (request: any, reply: any) => {
  const [token, refreshToken] = [mint(), mint()]
  const { rowCount } = await pool.query({
    name: "rotate",
    text: `update sessions set access_digest = $2, refresh_digest = $3, access_expires_at = now() + interval '1 hour',
      refresh_expires_at = now() + interval '30 days' where refresh_digest = $1 and refresh_expires_at > now()`,
    values: [digest(request.body.refresh_token), digest(token), digest(refreshToken)]
  })
  if (rowCount === 0) return reply.code(401).send({ code: "invalid_refresh_token" })
  return { token, refresh_token: refreshToken, expires_in: 3600 }
})

console.log(`Listening on ${await app.listen({ port: 0, host: "127.0.0.1" })}`)
