// Who is counted for an attempt: the nearest address that no proxy of ours could have been lied to about. IPv6 counts
// by /64, the least that one customer is given.
import { Context, Option, Result } from "effect"
import { IpNetwork, NetAddress } from "effect/net"

/** How many proxies stand in front and append to `X-Forwarded-For`; none: the header is not believed. */
export const TrustProxy = Context.Reference<number>("roomkey/http/TrustProxy", { defaultValue: () => 0 })

/** Where a client is, in its canonical spelling, and what is the same for all that count as one. */
export interface Client {
  readonly address: string
  readonly counted: string
}

/** Peers remembered: each is asked for more than once, and for all its requests. */
const maxPeers = 1000
const peers = new Map<string, Client | undefined>()

const peerOf = (request: Origin): Client | undefined => {
  const text = Option.getOrUndefined(request.remoteAddress)
  if (text === undefined) return undefined
  if (peers.has(text)) return peers.get(text)
  const client = clientAt(text)
  if (peers.size === maxPeers) peers.clear()
  peers.set(text, client)
  return client
}

const clientAt = (text: string | undefined): Client | undefined => {
  const ip = parse(text)
  if (ip === undefined) return undefined
  const address = NetAddress.formatIp(ip)
  return {
    address,
    counted: NetAddress.isIpv6Address(ip) ? IpNetwork.format(IpNetwork.fromAddressUnsafe(ip, 64)) : address
  }
}

const parse = (text: string | undefined): NetAddress.IpAddress | undefined => {
  if (text === undefined || text.length > 64) return undefined
  const bare = text.trim().replace(/^\[(.*)\]$/, "$1")
  const ip = NetAddress.ipFromString(bare)
  if (Result.isSuccess(ip)) return NetAddress.toCanonical(ip.success)
  const withPort = NetAddress.inetAddressFromString(text.trim())
  return Result.isSuccess(withPort) ? NetAddress.toCanonical(withPort.success.address) : undefined
}

/** What a request says of where it comes from. */
export interface Origin {
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly remoteAddress: Option.Option<string>
}

/** The rightmost address that a proxy of ours vouches for, or the peer's own. */
export const clientOf = (request: Origin, hops: number): Client | undefined => {
  const peer = peerOf(request)
  if (hops === 0) return peer
  const forwarded = request.headers["x-forwarded-for"]?.split(",") ?? []
  return clientAt(forwarded[Math.max(0, forwarded.length - hops)]) ?? peer
}

/** A text that is the same for everything that counts as one client. */
export const clientAddress = (request: Origin, hops: number): string => clientOf(request, hops)?.counted ?? "unknown"
