// kill -9 under load: what was answered is so after the restart, and what was not answered can be asked again.
import { assert, describe, it } from "@effect/vitest"
import {
  type Answer,
  call,
  expectStatus,
  logout,
  makeTenant,
  me,
  type Pair,
  refresh,
  signIn
} from "./support/Client.ts"
import { freshDatabase, needsPostgres } from "./support/Postgres.ts"
import { adminKey, type Environment, runtime, type Service, start, tempDir } from "./support/Process.ts"

const clients = 12
const callsPerRound = 200

/** A session as its client knows it: by what it was answered, and by what it asked last without an answer. */
interface Known {
  pair: Pair
  /** The refresh token that gave `pair`. */
  previous: string | undefined
  loggedOut: boolean
  asked: "refresh" | "logout" | undefined
}

/** One client: signs users in, refreshes and logs out, until a call fails because the process was killed. */
const useIt = async (service: Service, apiKey: string, client: number, known: Array<Known>, answered: () => void) => {
  for (let turn = 0;; turn++) {
    const pair = await signIn(service, apiKey, `user ${client} ${turn % 7}`)
    answered()
    const session: Known = { pair, previous: undefined, loggedOut: false, asked: undefined }
    known.push(session)
    for (let times = (client + turn) % 3; times > 0; times--) {
      session.asked = "refresh"
      const next: Pair = expectStatus(200, await refresh(service, session.pair.refresh_token)).body
      session.previous = session.pair.refresh_token
      session.pair = next
      session.asked = undefined
      answered()
    }
    if ((client + turn) % 4 !== 0) continue
    session.asked = "logout"
    expectStatus(204, await logout(service, session.pair.token))
    session.loggedOut = true
    session.asked = undefined
    answered()
  }
}

const killedUnderLoad = async (service: Service, apiKey: string, known: Array<Known>) => {
  let left = callsPerRound
  const answered = () => {
    if (--left === 0) void service.signal("SIGKILL")
  }
  const errors = await Promise.all(
    Array.from(
      { length: clients },
      (_, client) => useIt(service, apiKey, client, known, answered).then(() => undefined, (error: unknown) => error)
    )
  )
  assert.deepEqual(await service.exited, { code: null, signal: "SIGKILL" })
  // A wrong status is an error of ours, a cut connection is fetch's TypeError.
  for (const error of errors) assert.instanceOf(error, TypeError)
}

const isDead = (answer: Answer) => {
  assert.strictEqual(answer.status, 401, answer.text)
}

/** Checks one session after the restart, and leaves it known again. */
const verify = async (service: Service, session: Known) => {
  if (session.loggedOut) {
    isDead(await me(service, session.pair.token))
    isDead(await refresh(service, session.pair.refresh_token))
    return
  }
  switch (session.asked) {
    case "logout":
      assert.oneOf((await logout(service, session.pair.token)).status, [204, 401])
      isDead(await me(service, session.pair.token))
      session.loggedOut = true
      break
    case "refresh": {
      const next: Pair = expectStatus(200, await refresh(service, session.pair.refresh_token)).body
      expectStatus(200, await me(service, next.token))
      session.previous = session.pair.refresh_token
      session.pair = next
      break
    }
    case undefined:
      if (session.previous !== undefined) {
        const repeated = expectStatus(200, await refresh(service, session.previous)).body
        assert.strictEqual(repeated.token, session.pair.token)
        assert.strictEqual(repeated.refresh_token, session.pair.refresh_token)
      }
      expectStatus(200, await me(service, session.pair.token))
  }
  session.asked = undefined
}

const survives = async (env: Environment, rounds: number) => {
  const settings = {
    ...env,
    ROOMKEY_ADMIN_KEY: adminKey,
    REFRESH_GRACE: "1 hour",
    MAX_SESSIONS_PER_USER: "10000",
    LIMIT_REFRESH_FAILURES: "1000000"
  }
  const known: Array<Known> = []
  let apiKey: string | undefined
  for (let round = 0; round < rounds; round++) {
    await using service = await start(settings)
    apiKey ??= (await makeTenant(service)).api_key
    await killedUnderLoad(service, apiKey, known)
    await using restarted = await start(settings)
    await Promise.all(known.map((session) => verify(restarted, session)))
    assert.strictEqual((await call(restarted, "GET", "/ready")).status, 200)
  }
  assert.isAbove(known.filter((session) => session.loggedOut).length, rounds)
  assert.isAbove(known.filter((session) => session.previous !== undefined).length, rounds)
}

describe(`Durability on ${runtime}`, () => {
  it("loses no answered call to kill -9 under load, on the embedded database", async () => {
    using dir = tempDir()
    await survives({ DATA_DIR: dir.path }, 2)
  })

  it("loses no answered call to kill -9 under load, on PostgreSQL", async (context) => {
    needsPostgres(context)
    await using database = await freshDatabase()
    await survives({ DATABASE_URL: database.url }, 3)
  })
})
