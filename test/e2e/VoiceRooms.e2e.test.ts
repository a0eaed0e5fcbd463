// Members of one channel on two instances: they see and hear each other, whatever happens to the instances, to what they
// hear each other by, and to the database.
import { assert, describe, it } from "@effect/vitest"
import { call, eventually, expectStatus, makeTenant, signIn, type Target } from "./support/Client.ts"
import { Member } from "./support/Member.ts"
import { type FreshDatabase, freshDatabase, needsPostgres } from "./support/Postgres.ts"
import { adminKey, runtime, type Service, start } from "./support/Process.ts"

/** By which an instance that died has taken its members with it, as the README says. */
const goneWithin = 9

interface World extends AsyncDisposable {
  readonly database: FreshDatabase
  readonly left: Service
  readonly right: Service
  readonly apiKey: string
  readonly channelId: number
  /** In the channel, on an instance. */
  readonly enter: (target: Target, username: string) => Promise<Member>
  /** On an instance, in no channel. */
  readonly connect: (target: Target, username: string) => Promise<Member>
  readonly start: () => Promise<Service>
}

const makeWorld = async (): Promise<World> => {
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await freshDatabase())
  const startOne = async () => stack.use(await start({ DATABASE_URL: database.url, ROOMKEY_ADMIN_KEY: adminKey }))
  const [left, right] = [await startOne(), await startOne()]
  const { api_key: apiKey } = await makeTenant(left)
  const { token } = await signIn(left, apiKey, "host")
  const made = expectStatus(201, await call(left, "POST", "/api/channels", { bearer: token, json: { name: "Lobby" } }))
  const connect = async (target: Target, username: string) => {
    const member = await Member.open(target, (await signIn(target, apiKey, username)).token)
    owned.defer(() => member.close())
    return member
  }
  const enter = async (target: Target, username: string) => {
    const member = await connect(target, username)
    const answer = await member.join(made.body.id)
    assert.strictEqual(answer.type, "channel_users", JSON.stringify(answer))
    return member
  }
  const owned = stack.move()
  return {
    database,
    left,
    right,
    apiKey,
    channelId: made.body.id,
    connect,
    enter,
    start: async () => owned.use(await start({ DATABASE_URL: database.url, ROOMKEY_ADMIN_KEY: adminKey })),
    [Symbol.asyncDispose]: () => owned.disposeAsync()
  }
}

const about = (type: string, member: Member) => (frame: { type: string; payload: { connection_id?: string } }) =>
  frame.type === type && frame.payload.connection_id === member.id

const idsIn = (frame: { payload: { users: ReadonlyArray<{ connection_id: string }> } }) =>
  frame.payload.users.map(({ connection_id }) => connection_id).toSorted()

describe(`VoiceRooms on ${runtime}`, () => {
  it("show and carry everything between two instances: presence, signals of any length, a host's word", async (context) => {
    needsPostgres(context)
    await using world = await makeWorld()
    const { channelId, enter, left, right } = world
    const host = await enter(left, "host")
    const ann = await enter(right, "ann")
    const bob = await enter(right, "bob")
    await host.hear(about("user_joined", ann))
    await host.hear(about("user_joined", bob))
    assert.deepStrictEqual(idsIn(await ann.join(channelId)), [host.id, ann.id, bob.id].toSorted())

    ann.send("speaking", { speaking: true })
    assert.isTrue((await host.hear(about("user_updated", ann))).payload.speaking)

    // Longer than PostgreSQL carries in one notification, with characters of two, three and four bytes on every edge.
    const sdp = `v=0\r\ns=${'ü€😀\\"'.repeat(4500)}\r\n`
    ann.send("webrtc_offer", { to: host.id, sdp })
    const { at: _, ...offer } = await host.hear(({ type }) => type === "webrtc_offer")
    assert.deepStrictEqual(offer, { type: "webrtc_offer", payload: { to: host.id, sdp, from: ann.id } })

    // A burst keeps its order.
    const candidates = Array.from({ length: 30 }, (_, n) => `candidate:${n}`)
    for (const candidate of candidates) host.send("ice_candidate", { to: bob.id, candidate })
    for (const candidate of candidates) {
      assert.strictEqual((await bob.hear(({ type }) => type === "ice_candidate")).payload.candidate, candidate)
    }

    assert.strictEqual((await host.ask("mute", { muted: true, connection_id: ann.id })).type, "ok")
    assert.deepInclude((await ann.hear(about("user_updated", ann))).payload, { muted: true, speaking: false })
    assert.strictEqual((await host.ask("remove_member", { connection_id: bob.id })).type, "ok")
    assert.strictEqual((await bob.hear(({ type }) => type === "error")).payload.code, "removed_from_channel")
    await host.hear(about("user_left", bob))
    assert.strictEqual((await bob.join(channelId)).payload.code, "removed_from_channel")

    await ann.close()
    await host.hear(about("user_left", ann))
  })

  it("end with everybody seeing everybody after a storm of joins on both", async (context) => {
    needsPostgres(context)
    await using world = await makeWorld()
    const { channelId, connect, left, right } = world
    const people = await Promise.all(
      Array.from({ length: 40 }, (_, n) => connect(n % 2 === 0 ? left : right, `user ${n}`))
    )
    const all = people.map(({ id }) => id).toSorted()
    const views = new Map<Member, Set<string>>()
    await Promise.all(people.map(async (person) => views.set(person, new Set(idsIn(await person.join(channelId))))))
    await eventually(10, "everybody seeing everybody", async () => {
      for (const [person, seen] of views) {
        for (const { payload, type } of person.heard()) {
          if (type === "user_joined") seen.add(payload.connection_id)
          if (type === "user_left") seen.delete(payload.connection_id)
        }
      }
      return [...views.values()].every((seen) => seen.size === all.length)
    })
    for (const person of people) assert.deepStrictEqual(idsIn(await person.join(channelId)), all)
  })

  it("let the members of an instance that is killed go, and of one that stops at once", async (context) => {
    needsPostgres(context)
    await using world = await makeWorld()
    const { apiKey, channelId, enter, left, right } = world
    const host = await enter(left, "host")
    const ann = await enter(right, "ann")
    await host.hear(about("user_joined", ann))
    const killed = performance.now()
    await right.signal("SIGKILL")
    const { at } = await host.hear(about("user_left", ann), goneWithin)
    context.annotate(`gone after ${((at - killed) / 1000).toFixed(1)} s`)

    const third = await world.start()
    const bob = await enter(third, "bob")
    await host.hear(about("user_joined", bob))
    const stopped = third.signal("SIGTERM")
    await host.hear(about("user_left", bob), 4)
    await stopped
    const members = await call(left, "GET", `/api/tenant/channels/${channelId}/members`, { bearer: apiKey })
    assert.deepStrictEqual(members.body.map(({ username }: { username: string }) => username), ["host"])
  })

  it("heal when an instance was frozen for longer than its lease", async (context) => {
    needsPostgres(context)
    await using world = await makeWorld()
    const { channelId, enter, left, right } = world
    const host = await enter(left, "host")
    const ann = await enter(right, "ann")
    await host.hear(about("user_joined", ann))
    right.freeze()
    await host.hear(about("user_left", ann), goneWithin)
    right.thaw()
    await host.hear(about("user_joined", ann), 5)
    assert.deepStrictEqual(idsIn(await ann.join(channelId)), [host.id, ann.id].toSorted())
  })

  it("lose nobody and miss nothing when every connection to the database is cut", async (context) => {
    needsPostgres(context)
    await using world = await makeWorld()
    const { channelId, connect, database, enter, left, right } = world
    const host = await enter(left, "host")
    const ann = await enter(right, "ann")
    await host.hear(about("user_joined", ann))
    const bob = await connect(right, "bob")
    await database.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`)
    ann.send("mute", { muted: true })
    const joined = bob.join(channelId)
    await host.hear(about("user_updated", ann), 5)
    await joined
    await eventually(5, "bob being in", async () => {
      const answer = await bob.join(channelId)
      return answer.type === "channel_users" && idsIn(answer).length === 3
    })
    assert.deepStrictEqual(host.heard().filter(({ type }) => type === "user_left"), [])
  })

  it("write everybody again when the database has lost who was there", async (context) => {
    needsPostgres(context)
    await using world = await makeWorld()
    const { apiKey, channelId, database, enter, left, right } = world
    const host = await enter(left, "host")
    const ann = await enter(right, "ann")
    await host.hear(about("user_joined", ann))
    // What a crash of the server does to unlogged tables.
    await database.query("truncate nodes cascade")
    await eventually(8, "everybody being listed", async () => {
      const { body } = await call(left, "GET", `/api/tenant/channels/${channelId}/members`, { bearer: apiKey })
      return body.length === 2
    })
    ann.send("webrtc_answer", { to: host.id, sdp: "v=0\r\n" })
    await host.hear(({ type }) => type === "webrtc_answer")
    assert.deepStrictEqual(idsIn(await ann.join(channelId)), [host.id, ann.id].toSorted())
  })
})
