// As much of a TURN client (RFC 8489, RFC 8656) as asks for a relayed address and says how the server answered.
import { createHash, createHmac, randomBytes } from "node:crypto"
import { once } from "node:events"
import { connect, type Socket } from "node:net"

export interface Credential {
  readonly username: string
  readonly credential: string
}

export interface Outcome {
  /** `undefined` when the allocation was made. */
  readonly error: number | undefined
  /** Whether the answer was signed with the same key. */
  readonly signed: boolean
  readonly relayed: boolean
}

const cookie = Buffer.from("2112a442", "hex")
const headerSize = 20
const allocate = { request: 0x0003, success: 0x0103, failure: 0x0113 }
const attribute = {
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  realm: 0x0014,
  nonce: 0x0015,
  xorRelayedAddress: 0x0016,
  requestedTransport: 0x0019
}

const attributeOf = (type: number, value: Buffer): Buffer => {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(type, 0)
  head.writeUInt16BE(value.length, 2)
  return Buffer.concat([head, value, Buffer.alloc(-value.length & 3)])
}

const message = (type: number, id: Buffer, attributes: Buffer, length = attributes.length): Buffer => {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(type, 0)
  head.writeUInt16BE(length, 2)
  return Buffer.concat([head, cookie, id, attributes])
}

/** RFC 8489 section 14.5: over what comes before it, under a length that counts it in. */
const integrity = (type: number, id: Buffer, before: Buffer, key: Buffer): Buffer =>
  createHmac("sha1", key).update(message(type, id, before, before.length + 24)).digest()

interface Answer {
  readonly type: number
  readonly id: Buffer
  readonly attributes: Buffer
  readonly values: ReadonlyMap<number, Buffer>
  /** The attributes before the signature. */
  readonly signed: Buffer
}

const parse = (bytes: Buffer): Answer => {
  const attributes = bytes.subarray(headerSize)
  const values = new Map<number, Buffer>()
  let signed = attributes
  for (let at = 0; at < attributes.length;) {
    const type = attributes.readUInt16BE(at)
    const length = attributes.readUInt16BE(at + 2)
    values.set(type, attributes.subarray(at + 4, at + 4 + length))
    if (type === attribute.messageIntegrity) signed = attributes.subarray(0, at)
    at += 4 + length + (-length & 3)
  }
  return { type: bytes.readUInt16BE(0), id: bytes.subarray(8, headerSize), attributes, values, signed }
}

const errorOf = ({ type, values }: Answer): number | undefined => {
  if (type === allocate.success) return undefined
  const value = values.get(attribute.errorCode)
  if (type !== allocate.failure || value === undefined) throw new Error(`not an answer to Allocate: ${type}`)
  return value.readUInt8(2) * 100 + value.readUInt8(3)
}

/** Sends `request`, and takes the one message that answers it. */
const exchange = async (socket: Socket, request: Buffer): Promise<Answer> => {
  socket.write(request)
  let received = Buffer.alloc(0)
  while (received.length < headerSize || received.length < headerSize + received.readUInt16BE(2)) {
    const [chunk] = await once(socket, "data", { signal: AbortSignal.timeout(10_000) })
    received = Buffer.concat([received, chunk])
  }
  return parse(received)
}

/** Asks the TURN server at `url` (`turn:host:port?transport=tcp`) for a UDP relay, as `credential` says. */
export const allocateRelay = async (url: string, credential: Credential): Promise<Outcome> => {
  const [, host, port] = /^turn:([\w.-]+):(\d+)\?transport=tcp$/.exec(url) ?? []
  if (host === undefined) throw new Error(`not a turn URL over TCP: ${url}`)
  const socket = connect(Number(port), host)
  try {
    await once(socket, "connect")
    return await allocateOver(socket, credential)
  } finally {
    socket.destroy()
  }
}

const allocateOver = async (socket: Socket, { credential, username }: Credential): Promise<Outcome> => {
  const udp = attributeOf(attribute.requestedTransport, Buffer.from([17, 0, 0, 0]))

  const challenge = await exchange(socket, message(allocate.request, randomBytes(12), udp))
  const realm = challenge.values.get(attribute.realm)
  const nonce = challenge.values.get(attribute.nonce)
  if (errorOf(challenge) !== 401 || realm === undefined || nonce === undefined) {
    throw new Error("the server asked for no credential")
  }

  const key = createHash("md5").update(`${username}:${realm.toString()}:${credential}`).digest()
  const id = randomBytes(12)
  const attributes = Buffer.concat([
    udp,
    attributeOf(attribute.username, Buffer.from(username)),
    attributeOf(attribute.realm, realm),
    attributeOf(attribute.nonce, nonce)
  ])
  const signature = attributeOf(attribute.messageIntegrity, integrity(allocate.request, id, attributes, key))
  const answer = await exchange(socket, message(allocate.request, id, Buffer.concat([attributes, signature])))
  return {
    error: errorOf(answer),
    signed: answer.values.get(attribute.messageIntegrity)?.equals(integrity(answer.type, id, answer.signed, key)) ??
      false,
    relayed: answer.values.has(attribute.xorRelayedAddress)
  }
}
