// The socket's life against a server that does its worst: what each close is followed by, and what is kept across it.
import { assert, describe, it } from "@effect/vitest"
import { afterClose, RoomkeyError } from "../../src/client/index.ts"
import { makeService, member, self, settled } from "./FakeService.ts"
import { problem, refreshPath } from "./Support.ts"

const rejection = async (promise: Promise<unknown>): Promise<RoomkeyError> => {
  const error = await promise.then(() => assert.fail("resolved"), (error) => error)
  assert.instanceOf(error, RoomkeyError)
  return error
}

describe("Realtime", () => {
  it("keeps the token out of the URL, and is open when the server is ready", async () => {
    await using service = await makeService()
    const { accept, auth, realtime } = service.client()
    assert.strictEqual(realtime.state, "idle")
    const connecting = realtime.connect()
    const peer = await accept()
    await connecting
    assert.strictEqual(peer.url, "/ws")
    assert.strictEqual(peer.token, await auth.token())
    assert.strictEqual(realtime.connectionId, self)
    assert.deepEqual(realtime.iceServers, [{ urls: [] }])
  })

  const comesBack: ReadonlyArray<readonly [number, string, number]> = [
    [1001, "", 250],
    [1011, "internal_error", 250],
    [4408, "slow_consumer", 250],
    [4408, "no_pong", 250],
    [4429, "too_many_sockets", 2500],
    [4429, "rate_limited", 2500],
    [1012, "restarting", 2500],
    [4403, "tenant_suspended", 15_000]
  ]
  for (const [code, reason, delay] of comesBack) {
    it(`comes back after ${code} ${reason}, within ${delay * 2} ms`, async () => {
      await using service = await makeService()
      const { accept, auth, clock, connected, hear, realtime, until } = service.client()
      const peer = await connected()
      peer.close(code, reason)
      assert.deepEqual(await hear("closed"), { code, reason, reconnects: true })
      if (reason === "tenant_suspended") assert.strictEqual((await hear("error")).code, reason)
      await until("waiting")
      assert.deepEqual(clock.pending, [delay])
      assert.isNotNull(auth.session)
      clock.advance(delay)
      await accept()
      assert.strictEqual(realtime.state, "open")
      assert.strictEqual(service.refreshes, 0)
    })
  }

  for (const reason of ["session_expired", "session_revoked"]) {
    it(`comes back at once with the next token after 4401 ${reason}, but not again and again`, async () => {
      await using service = await makeService()
      const { accept, clock, connected, until } = service.client()
      const first = await connected()
      first.close(4401, reason)
      const second = await accept()
      assert.strictEqual(service.refreshes, 1)
      assert.notStrictEqual(second.token, first.token)
      second.close(4401, reason)
      await until("waiting")
      assert.strictEqual(clock.pending[0], 500)
    })

    it(`signs out after 4401 ${reason} only when the refresh says so`, async () => {
      await using service = await makeService()
      const { auth, clock, connected, hear, realtime, until } = service.client()
      const peer = await connected()
      service.calls.failing = () => problem(503, "unavailable", { "retry-after": "20" })
      peer.close(4401, reason)
      await until("waiting")
      assert.isNotNull(auth.session)
      assert.deepEqual(clock.pending, [20_000])
      clock.advance(4_000_000)
      service.calls.failing = () => problem(401, "invalid_refresh_token")
      await until("waiting")
      clock.advance(4_000_000)
      assert.deepEqual(await hear("signed_out"), { code: "invalid_refresh_token" })
      assert.isNull(auth.session)
      assert.strictEqual(realtime.state, "closed")
    })
  }

  it("signs out after 4403 user_banned", async () => {
    await using service = await makeService()
    const { auth, clock, connected, hear, realtime } = service.client()
    const peer = await connected()
    peer.close(4403, "user_banned")
    assert.isFalse((await hear("closed")).reconnects)
    assert.deepEqual(await hear("signed_out"), { code: "user_banned" })
    assert.isNull(auth.session)
    assert.strictEqual(realtime.state, "closed")
    assert.deepEqual(clock.pending, [])
  })

  for (const [code, reason] of [[4400, "bad_messages"], [1009, ""], [1002, ""], [1007, ""], [1008, ""]] as const) {
    it(`stops after ${code}, reports it, and stays signed in`, async () => {
      await using service = await makeService()
      const { auth, clock, connected, hear, realtime } = service.client()
      const peer = await connected()
      peer.close(code, reason)
      assert.isFalse((await hear("closed")).reconnects)
      assert.strictEqual((await hear("error")).code, reason === "" ? "closed" : reason)
      assert.isNotNull(auth.session)
      assert.strictEqual(realtime.state, "closed")
      assert.deepEqual(clock.pending, [])
    })
  }

  it("comes back after a code it does not know", () => {
    assert.strictEqual(afterClose(4999, ""), "backoff")
  })

  it("waits longer from try to try, and starts over after a socket that lasted", async () => {
    await using service = await makeService()
    const { accept, clock, connected, until } = service.client()
    let peer = await connected()
    for (const delay of [250, 500, 1000, 2000]) {
      peer.cut()
      await until("waiting")
      assert.deepEqual(clock.pending, [delay])
      clock.advance(delay)
      peer = await accept()
    }
    clock.advance(5000)
    peer.cut()
    await until("waiting")
    assert.deepEqual(clock.pending, [250])
  })

  it("tries at once when asked to connect while waiting", async () => {
    await using service = await makeService()
    const { clock, connected, until } = service.client()
    const peer = await connected()
    peer.cut()
    await until("waiting")
    await connected()
    assert.strictEqual(clock.pending.length, 1, "the heartbeat")
  })

  it("asks an ordinary call why a handshake was refused, which refreshes", async () => {
    await using service = await makeService()
    const { accept, auth, clock, realtime, until } = service.client()
    const before = await auth.token()
    const answer = service.calls.failing
    service.calls.failing = (path, call) => {
      if (path === refreshPath) service.calls.failing = answer
      return path === "/api/me" ? problem(401, "token_expired") : answer(path, call)
    }
    service.refuse(1)
    void realtime.connect()
    await until("waiting")
    assert.deepEqual(service.calls.paths, ["/api/me", refreshPath, "/api/me"])
    clock.advance(1000)
    assert.notStrictEqual((await accept()).token, before)
  })

  it("keeps trying while nobody answers, and signs out when a refused handshake means that", async () => {
    await using service = await makeService()
    const { auth, clock, hear, realtime, until } = service.client()
    service.calls.failing = () => Promise.reject(new TypeError("fetch failed"))
    service.refuse(2)
    const connecting = realtime.connect()
    await until("waiting")
    assert.isNotNull(auth.session)
    service.calls.failing = (path) => problem(401, path === refreshPath ? "refresh_token_reused" : "invalid_token")
    clock.advance(1000)
    assert.deepEqual(await hear("signed_out"), { code: "refresh_token_reused" })
    assert.strictEqual((await rejection(connecting)).code, "signed_out")
  })

  it("gives up a handshake that nobody answers, and a socket that no longer answers a ping", async () => {
    await using service = await makeService()
    const { accept, clock, hear, realtime, until } = service.client()
    void realtime.connect()
    await service.peers.take()
    clock.advance(10_000)
    assert.include(await hear("closed"), { reason: "no_answer" })
    await until("waiting")
    clock.advance(1000)
    const peer = await accept()
    clock.advance(25_000)
    const ping = await peer.frames.take()
    assert.strictEqual(ping.type, "ping")
    peer.send("pong", {}, ping.id)
    const again = realtime.ping()
    const { id } = await peer.frames.take()
    clock.advance(40)
    peer.send("pong", {}, id)
    assert.strictEqual(await again, 40)
    clock.advance(25_000)
    await peer.frames.take()
    clock.advance(10_000)
    assert.deepEqual(await hear("closed"), { code: 1006, reason: "no_pong", reconnects: true })
  })

  it("refreshes when the token is about to end, until that succeeds, and not if another tab was first", async () => {
    await using service = await makeService()
    const { auth, clock, connected, hear } = service.client()
    const peer = await connected()
    // Within the heartbeat, whose timer is not of interest.
    const expiring = { expires_in: 3600, expires_at: "" }
    const answer = service.calls.failing
    service.calls.failing = () => problem(503, "unavailable")
    peer.send("token_expiring", expiring)
    peer.send("user_joined", member("ann"))
    await hear("user_joined")
    await settled()
    assert.strictEqual(service.calls.count(refreshPath), 1)
    service.calls.failing = answer
    clock.advance(250)
    await settled()
    assert.strictEqual(service.refreshes, 1)
    assert.strictEqual(await auth.token(), service.pairOf(1, 1).token)

    peer.send("token_expiring", { ...expiring, expires_in: 300 })
    peer.send("user_joined", member("ann"))
    await hear("user_joined")
    await settled()
    assert.strictEqual(service.refreshes, 1)
  })

  it("rejoins its channel after a reconnect, still muted", async () => {
    await using service = await makeService()
    const { accept, clock, connected, hear, joined, realtime, until } = service.client()
    const peer = await connected()
    await joined(peer, member("ann"), member("bob"))
    const muting = realtime.mute(true)
    const { id, payload, type } = await peer.frames.take()
    assert.deepEqual([type, payload], ["mute", { muted: true }])
    peer.send("ok", {}, id)
    await muting
    assert.deepInclude(await hear("user_updated"), { connection_id: self, muted: true })

    const lost = realtime.sendOffer("ann", "v=0")
    peer.cut()
    assert.deepInclude(await rejection(lost), { code: "disconnected", retryable: true })
    await until("waiting")
    assert.deepInclude(await rejection(realtime.ping()), { code: "not_connected", retryable: true })
    realtime.speaking(true)
    clock.advance(250)
    const next = await accept()
    const join = await next.frames.take()
    assert.deepEqual([join.type, join.payload], ["join_channel", { channel_id: 3 }])
    assert.deepInclude(await next.frames.take(), { type: "mute", payload: { muted: true } })
    next.send("channel_users", { channel_id: 3, users: [member(self), member("ann")] }, join.id)
    const { users } = await hear("joined")
    assert.deepEqual(users.map(({ connection_id, muted }) => [connection_id, muted]), [[self, true], ["ann", false]])
    assert.deepEqual([...realtime.members.keys()], [self, "ann"])
  })

  it("does not rejoin a channel that it left, was taken out of, or that is gone", async () => {
    await using service = await makeService()
    const { accept, clock, connected, hear, joined, realtime, until } = service.client()
    const reconnected = async (peer: { cut(): void }) => {
      clock.advance(5000)
      peer.cut()
      await until("waiting")
      clock.advance(1000)
      return accept()
    }
    /** Its first frame of the new socket is this ping. */
    const silent = async (peer: Awaited<ReturnType<typeof reconnected>>) => {
      void realtime.ping().catch(() => {})
      assert.strictEqual((await peer.frames.take()).type, "ping")
      assert.isUndefined(realtime.channelId)
      assert.strictEqual(realtime.members.size, 0)
    }
    let peer = await connected()
    await joined(peer)
    const leaving = realtime.leave()
    peer.send("ok", {}, (await peer.frames.take()).id)
    await leaving
    peer = await reconnected(peer)
    await silent(peer)

    await joined(peer, member("ann"))
    peer.send("user_left", member(self))
    peer.send("error", { code: "removed_from_channel", detail: "" })
    assert.deepEqual(await hear("removed"), { channel_id: 3, code: "removed_from_channel" })
    peer = await reconnected(peer)
    await silent(peer)

    await joined(peer)
    peer = await reconnected(peer)
    peer.send("error", { code: "not_found", detail: "" }, (await peer.frames.take()).id)
    assert.deepEqual(await hear("removed"), { channel_id: 3, code: "not_found" })
    peer = await reconnected(peer)
    await silent(peer)
  })

  it("rejoins a channel that is full of its own lost socket as soon as there is a place", async () => {
    await using service = await makeService()
    const { accept, clock, connected, hear, joined, realtime, until } = service.client()
    let peer = await connected()
    await joined(peer)
    peer.cut()
    await until("waiting")
    clock.advance(250)
    peer = await accept()
    peer.send("error", { code: "channel_full", detail: "" }, (await peer.frames.take()).id)
    assert.strictEqual((await hear("error")).code, "channel_full")
    clock.advance(5000)
    const { id } = await peer.frames.take()
    peer.send("channel_users", { channel_id: 3, users: [member(self)] }, id)
    await hear("joined")
    assert.strictEqual(realtime.channelId, 3)
  })

  it("knows who is in the channel, and hears what they send", async () => {
    await using service = await makeService()
    const { connected, hear, joined, realtime } = service.client()
    const peer = await connected()
    await joined(peer, member("ann"))
    peer.send("user_joined", member("bob"))
    peer.send("user_updated", member("ann", { speaking: true }))
    peer.send("user_left", member("bob"))
    peer.send("webrtc_offer", { to: self, from: "ann", sdp: "v=0" })
    peer.send("ice_candidate", { to: self, from: "ann", candidate: null })
    peer.send("ice_candidate", { to: self, from: "ann", candidate: "candidate:1" })
    peer.send("of_a_later_version", {})
    peer.send("error", { code: "not_allowed", detail: "muted" })
    assert.strictEqual((await hear("user_joined")).connection_id, "bob")
    assert.deepInclude(await hear("user_updated"), { connection_id: "ann", speaking: true })
    assert.strictEqual((await hear("user_left")).connection_id, "bob")
    assert.deepInclude(await hear("webrtc_offer"), { from: "ann", sdp: "v=0" })
    assert.deepInclude(await hear("ice_candidate"), { from: "ann", candidate: null })
    assert.deepEqual((await hear("ice_candidate")).candidate, { candidate: "candidate:1", sdpMLineIndex: 0 })
    assert.deepInclude(await hear("error"), { code: "not_allowed", detail: "muted" })
    assert.deepEqual([...realtime.members.keys()], [self, "ann"])
    assert.isTrue(realtime.members.get("ann")?.speaking)
  })

  it("rejects what is refused or not answered in time, and nothing else", async () => {
    await using service = await makeService()
    const { clock, connected, hear, joined, realtime } = service.client()
    const peer = await connected()
    await joined(peer, member("ann"))
    const refused = realtime.setRole("ann", "host")
    const unanswered = realtime.remove("ann")
    peer.send("error", { code: "not_allowed", detail: "not_host" }, (await peer.frames.take()).id)
    assert.deepInclude(await rejection(refused), { code: "not_allowed", detail: "not_host", status: 0 })
    const { id } = await peer.frames.take()
    clock.advance(10_000)
    assert.deepInclude(await rejection(unanswered), { code: "timeout", retryable: true })
    peer.send("error", { code: "removed_from_channel", detail: "" }, id)
    assert.strictEqual((await hear("error")).code, "removed_from_channel")
    assert.strictEqual(realtime.channelId, 3, "that was the answer to a question")
    assert.strictEqual(realtime.state, "open")
  })

  it("spreads many candidates as the server takes them", async () => {
    await using service = await makeService()
    const { clock, connected, realtime, until } = service.client()
    const peer = await connected()
    for (let n = 0; n < 400; n++) realtime.sendCandidate("ann", `candidate:${n}`)
    const sent: Array<string> = []
    const take = async (count: number) => {
      for (let n = 0; n < count; n++) sent.push((await peer.frames.take()).payload.candidate.candidate)
    }
    await take(150)
    await settled()
    assert.strictEqual(peer.frames.size, 0)
    clock.advance(2000)
    await take(79)
    await settled()
    assert.isAtMost(peer.frames.size, 1)
    clock.advance(5000)
    await take(171)
    assert.deepEqual(sent, Array.from({ length: 400 }, (_, n) => `candidate:${n}`))
    for (let n = 0; n < 400; n++) realtime.sendCandidate("ann", null)
    peer.cut()
    await until("waiting")
    assert.strictEqual(clock.pending.length, 1, "the backoff")
  })

  it("starts anew without its channel when somebody else signs in", async () => {
    await using service = await makeService()
    const { accept, auth, connected, joined, realtime } = service.client()
    const peer = await connected()
    await joined(peer)
    auth.adopt(service.pairOf(2, 0))
    const next = await accept()
    assert.strictEqual(next.token, service.pairOf(2, 0).token)
    void realtime.ping().catch(() => {})
    assert.strictEqual((await next.frames.take()).type, "ping")
  })

  it("asks for the role again that it had asked for, unless a host gave it another", async () => {
    await using service = await makeService()
    const { accept, clock, connected, hear, realtime, until } = service.client()
    const reconnected = async (peer: { cut(): void }) => {
      clock.advance(5000)
      peer.cut()
      await until("waiting")
      clock.advance(1000)
      return accept()
    }
    let peer = await connected()
    const joining = realtime.join(3, "listener")
    const users = [member(self, { role: "listener" })]
    peer.send("channel_users", { channel_id: 3, users }, (await peer.frames.take()).id)
    await joining
    peer.send("user_joined", member("ann"))
    peer.send("user_updated", member(self, { role: "listener", muted: true }))
    await hear("user_updated")
    peer = await reconnected(peer)
    const { id, payload } = await peer.frames.take()
    assert.deepEqual(payload, { channel_id: 3, role: "listener" })
    peer.send("channel_users", { channel_id: 3, users }, id)
    peer.send("user_updated", member(self, { role: "speaker" }))
    await hear("user_updated")
    peer = await reconnected(peer)
    assert.deepEqual((await peer.frames.take()).payload, { channel_id: 3 })
  })

  it("stops where no socket can be made, and does not say with which token", async () => {
    await using service = await makeService()
    const webSocket = class {
      constructor(_: string, protocols: ReadonlyArray<string>) {
        throw new SyntaxError(`Bad subprotocol ${protocols.join()}`)
      }
    } as never
    const { auth, hear, realtime } = service.client({ webSocket })
    const error = await rejection(realtime.connect())
    assert.deepEqual(await hear("error"), error)
    assert.notInclude(`${error.stack} ${JSON.stringify(error)} ${error.cause}`, await auth.token())
    assert.strictEqual(realtime.state, "closed")
  })

  it("does not try without a session", async () => {
    await using service = await makeService()
    const { clock, hear, realtime } = service.client({ signedIn: false })
    assert.strictEqual((await rejection(realtime.connect())).code, "signed_out")
    assert.deepEqual(await hear("signed_out"), { code: "signed_out" })
    assert.deepEqual(clock.pending, [])
  })

  it("stays closed once it was closed, until it is asked to connect", async () => {
    await using service = await makeService()
    const { auth, clock, connected, heard, realtime, until } = service.client()
    const connecting = realtime.connect()
    realtime.close()
    assert.strictEqual((await rejection(connecting)).code, "closed")
    assert.strictEqual(realtime.state, "closed")
    assert.deepEqual(clock.pending, [])
    const peer = await connected()
    assert.strictEqual(service.peers.size, 0)
    peer.cut()
    await until("waiting")
    realtime.close()
    await until("closed")
    assert.deepEqual(clock.pending, [])
    auth.forget("signed_out")
    assert.strictEqual(heard.size, 0, "whose session ends is none of its business any more")
  })
})
