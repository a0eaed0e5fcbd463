// What Roomkey hands out, at a real coturn that knows nothing but the secret they share.
import { assert, describe, it } from "@effect/vitest"
import { createHmac } from "node:crypto"
import { call, expectStatus, makeTenant, openSocket, signIn } from "./support/Client.ts"
import { needsCoturn, startCoturn } from "./support/Coturn.ts"
import { adminKey, runtime, start, tempDir } from "./support/Process.ts"
import { allocateRelay, type Credential } from "./support/Turn.ts"

const secret = "0123456789abcdef0123456789abcdef"

/** coturn's scheme once more, to tell a bad end from a bad signature. */
const signed = (username: string): Credential => ({
  username,
  credential: createHmac("sha1", secret).update(username).digest("base64")
})

const allocated = { error: undefined, signed: true, relayed: true }
const refused = { error: 401, signed: false, relayed: false }

describe(`Turn on ${runtime}`, () => {
  it("hands out credentials by which coturn relays, until they end and for nobody who changes them", async (context) => {
    needsCoturn(context)
    using dir = tempDir()
    await using coturn = await startCoturn(secret)
    await using service = await start({
      DATA_DIR: dir.path,
      ROOMKEY_ADMIN_KEY: adminKey,
      ICE_SERVERS: "stun:stun.example",
      TURN_URLS: coturn.url,
      TURN_SECRET: secret,
      TURN_TTL: "10 minutes"
    })
    const { token } = await signIn(service, (await makeTenant(service)).api_key, "ada")
    const { body } = expectStatus(200, await call(service, "GET", "/api/ice-servers", { bearer: token }))
    assert.strictEqual(body.expires_in, 600)
    const { ready, terminate } = await openSocket(service, token)
    terminate()

    for (const servers of [body.ice_servers, ready.payload.ice_servers]) {
      const [stun, turn] = servers
      assert.deepEqual(stun, { urls: ["stun:stun.example"] })
      assert.deepEqual(turn.urls, [coturn.url])
      const allocate = (credential: Credential) => allocateRelay(turn.urls[0], credential)
      assert.deepEqual(await allocate(turn), allocated)

      const { credential, username } = turn
      const [end, userId] = username.split(":")
      const altered = `${credential.startsWith("A") ? "B" : "A"}${credential.slice(1)}`
      assert.deepEqual(await allocate({ username, credential: altered }), refused)
      assert.deepEqual(await allocate({ username: `${Number(end) + 3600}:${userId}`, credential }), refused)
      assert.deepEqual(await allocate({ username: `${end}:${Number(userId) + 1}`, credential }), refused)

      const now = Math.floor(Date.now() / 1000)
      assert.deepEqual(await allocate(signed(`${now + 60}:${userId}`)), allocated)
      assert.deepEqual(await allocate(signed(`${now - 1}:${userId}`)), refused)
    }
  })
})
