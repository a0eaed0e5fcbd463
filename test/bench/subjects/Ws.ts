// The ceiling of the socket: bare `ws` on `node:http` that lets in whose token is in a `Map`, says one frame as long as
// Roomkey's `ready`, and passes frames on in a loop of `send`: an `ice_candidate` to whom it names, a `mute` to all
// others in the room. Argument: a file of JSON `{tokens, ready}`.
import * as NodeWS from "@effect/platform-node/NodeWS"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const { ready, tokens } = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as {
  readonly tokens: ReadonlyArray<string>
  // oxlint-disable-next-line typescript/no-explicit-any -- a frame of Roomkey's, repeated
  readonly ready: any
}
const known = new Map(tokens.map((token, n) => [`Bearer ${token}`, n]))
const sockets = new Map<string, NodeWS.WebSocket>()
const rooms = new Map<number, Map<string, NodeWS.WebSocket>>()
let connections = 0

const server = createServer((_, response) => response.writeHead(404).end())
const wss = new NodeWS.WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false })

const serve = (socket: NodeWS.WebSocket) => {
  const id = `00000000-0000-4000-8000-${String(++connections).padStart(12, "0")}`
  let room: Map<string, NodeWS.WebSocket> | undefined
  sockets.set(id, socket)
  socket.on("message", (data) => {
    const { id: asked, payload, type } = JSON.parse(String(data))
    switch (type) {
      case "join_channel": {
        room = rooms.get(payload.channel_id) ?? new Map()
        rooms.set(payload.channel_id, room)
        room.set(id, socket)
        socket.send(JSON.stringify({ type: "channel_users", payload: { users: [] }, id: asked }))
        return
      }
      case "ice_candidate": {
        sockets.get(payload.to)?.send(JSON.stringify({ type, payload: { ...payload, from: id } }))
        return
      }
      case "mute": {
        const member = {
          connection_id: id,
          user_id: 1,
          username: ready.payload.user.username,
          custom_id: null,
          picture_url: null,
          metadata: null,
          role: "guest",
          muted: payload.muted,
          speaking: false
        }
        const text = JSON.stringify({ type: "user_updated", payload: member })
        for (const [other, to] of room ?? []) if (other !== id) to.send(text)
        return
      }
      default:
    }
  })
  const gone = () => {
    sockets.delete(id)
    room?.delete(id)
  }
  socket.on("error", gone).on("close", gone)
  socket.send(JSON.stringify({ ...ready, payload: { ...ready.payload, connection_id: id } }))
}

server.on("upgrade", (request, socket, head) => {
  if (known.has(request.headers.authorization ?? "")) wss.handleUpgrade(request, socket, head, serve)
  else socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
})
server.listen(0, "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
