// What HTTP leaves of the argon2 library: bare `node:http` that has it verify the password of each body, twice as many at a
// time as there are processors, and answers the bytes it is given. No account is looked up, nothing is limited or written.
// Argument: a file of JSON `{phc, contentType, body}`.
import { verify } from "@node-rs/argon2"
import { readFileSync } from "node:fs"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { availableParallelism } from "node:os"

const { body, contentType, phc } = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as {
  readonly phc: string
  readonly contentType: string
  readonly body: string
}
const answer = Buffer.from(body)
const head = { "content-type": contentType, "content-length": answer.length }

const waiting: Array<{ readonly given: string; readonly response: ServerResponse }> = []
let free = 2 * availableParallelism()

const begin = (): void => {
  const next = free > 0 ? waiting.shift() : undefined
  if (next === undefined) return
  free--
  void verify(phc, next.given).then((right) => {
    free++
    begin()
    if (right) next.response.writeHead(200, head).end(answer)
    else next.response.writeHead(401).end()
  })
}

const server = createServer((request, response) => {
  let text = ""
  request.setEncoding("utf8").on("data", (chunk: string) => text += chunk).on("end", () => {
    waiting.push({ given: JSON.parse(text).password, response })
    begin()
  })
})
server.listen(0, "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
