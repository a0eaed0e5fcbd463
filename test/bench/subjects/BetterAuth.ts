// Better Auth with its `bearer` and `username` plugins on `pg` and `node:http`, as its installation guide and its guide to
// performance have it: cookie cache and joins on. Its limit of requests per address is off, since one address asks here.
// Arguments: the folder of its packages. DATABASE_URL.
import { createRequire } from "node:module"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"

const require = createRequire(join(process.argv[2]!, "index.js"))
const { betterAuth } = require("better-auth")
const { toNodeHandler } = require("better-auth/node")
const { getMigrations } = require("better-auth/db/migration")
const { bearer, username } = require("better-auth/plugins")
const { Pool } = require("pg")

const server = createServer()
server.listen(0, "127.0.0.1", async () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const auth = betterAuth({
    database: new Pool({ connectionString: process.env["DATABASE_URL"], max: 8 }),
    baseURL: url,
    secret: "0123456789abcdef0123456789abcdef0123456789abcdef",
    emailAndPassword: { enabled: true },
    session: { cookieCache: { enabled: true, maxAge: 3600 } },
    experimental: { joins: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    plugins: [bearer(), username()]
  })
  const { runMigrations } = await getMigrations(auth.options)
  await runMigrations()
  server.on("request", toNodeHandler(auth))
  console.log(`Listening on ${url}`)
})
