// The ceiling of a read: bare `node:http` that answers the bytes it is given to whoever's token is in a `Map`.
// Argument: a file of JSON `{tokens, contentType, body}`.
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const { body, contentType, tokens } = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as {
  readonly tokens: ReadonlyArray<string>
  readonly contentType: string
  readonly body: string
}
const answers = new Map(tokens.map((token) => [`Bearer ${token}`, Buffer.from(body)]))

const server = createServer((request, response) => {
  const answer = request.method === "GET" && request.url === "/api/me"
    ? answers.get(request.headers.authorization ?? "")
    : undefined
  if (answer === undefined) {
    response.writeHead(401).end()
    return
  }
  response.writeHead(200, { "content-type": contentType, "content-length": answer.length })
  response.end(answer)
})
server.listen(0, "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
