// Who is counted for an attempt: the nearest address that no proxy of ours could have been lied to about. IPv6 counts
// by /64, the least that one customer is given.
import { Context, Option, Result } from "effect"
import { IpNetwork, NetAddress } from "effect/net"

/** How many proxies stand in front and append to `X-Forwarded-For`; none: the header is not believed. */
export const TrustProxy = Context.Reference<number>("roomkey/http/TrustProxy", { defaultValue: () => 0 })

/** Peers remembered: each is asked for more than once, and for all its requests. */
const maxPeers = 1000
const peers = new Map<string, NetAddress.IpAddress | undefined>()

const peerOf = (request: Origin): NetAddress.IpAddress | undefined => {
  const text = Option.getOrUndefined(request.remoteAddress)
  if (text === undefined) return undefined
  if (peers.has(text)) return peers.get(text)
  const address = parse(text)
  if (peers.size === maxPeers) peers.clear()
  peers.set(text, address)
  return address
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
export const clientOf = (
  request: Origin,
  hops: number
): NetAddress.IpAddress | undefined => {
  const peer = peerOf(request)
  if (hops === 0) return peer
  const forwarded = request.headers["x-forwarded-for"]?.split(",") ?? []
  return parse(forwarded[Math.max(0, forwarded.length - hops)]) ?? peer
}

/** A text that is the same for everything that counts as one client. */
export const clientAddress = (
  request: Origin,
  hops: number
): string => {
  const address = clientOf(request, hops)
  if (address === undefined) return "unknown"
  return NetAddress.isIpv6Address(address)
    ? IpNetwork.format(IpNetwork.fromAddressUnsafe(address, 64))
    : NetAddress.formatIp(address)
}
