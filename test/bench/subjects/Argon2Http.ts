// What HTTP leaves of the argon2 library: bare `node:http` that has it verify the password of each body, twice as many at a
// time as there are processors, and answers the bytes it is given. Nothing is limited or counted. With a database it does a
// plain login: an account is looked up, a session inserted and committed, each by itself.
// Arguments: a file of JSON `{phc, contentType, body}`; with DATABASE_URL, the folder of the package `pg`.
import { verify } from "@node-rs/argon2"
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer, type ServerResponse } from "node:http"
import { createRequire } from "node:module"
import type { AddressInfo } from "node:net"
import { availableParallelism } from "node:os"
import { join } from "node:path"

interface Login {
  readonly username: string
  readonly password: string
}

const { body, contentType, phc } = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as {
  readonly phc: string
  readonly contentType: string
  readonly body: string
}
const answer = Buffer.from(body)
const head = { "content-type": contentType, "content-length": answer.length }

const withDatabase = async (url: string) => {
  const { Pool } = createRequire(join(process.argv[3]!, "index.js"))("pg")
  const pool = new Pool({ connectionString: url, max: 8 })
  await pool.query(`
    create table accounts (username text primary key, phc text not null);
    create table sessions (id uuid primary key, username text not null, access_digest bytea, refresh_digest bytea)
  `)
  return {
    find: async (username: string): Promise<string> => {
      const text = "select phc from accounts where username = $1"
      const { rows: [row] } = await pool.query({ name: "find", text, values: [username] })
      return row.phc
    },
    open: (username: string): Promise<unknown> =>
      pool.query({
        name: "open",
        text: "insert into sessions values ($1, $2, $3, $4)",
        values: [randomBytes(16).toString("hex"), username, randomBytes(32), randomBytes(32)]
      })
  }
}

const url = process.env["DATABASE_URL"]
const database = url === undefined ? undefined : await withDatabase(url)

const waiting: Array<() => void> = []
let free = 2 * availableParallelism()

const verified = async (ofAccount: string, password: string): Promise<boolean> => {
  if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve))
  else free--
  try {
    return await verify(ofAccount, password)
  } finally {
    const next = waiting.shift()
    if (next === undefined) free++
    else next()
  }
}

const logIn = async ({ password, username }: Login, response: ServerResponse): Promise<void> => {
  if (!await verified(await database?.find(username) ?? phc, password)) return void response.writeHead(401).end()
  await database?.open(username)
  response.writeHead(200, head).end(answer)
}

const server = createServer((request, response) => {
  let text = ""
  request.setEncoding("utf8").on("data", (chunk: string) => text += chunk).on("end", () => {
    logIn(JSON.parse(text), response).catch(() => response.destroy())
  })
})
server.listen(0, "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
