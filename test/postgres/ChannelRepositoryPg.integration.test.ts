// Who may decide what about whom in a channel, by the statement that does it: everybody about everybody, against the rule
// in prose. What a socket shows of it does not matter here.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { ChannelName, type StandingChange } from "../../src/domain/Channel.ts"
import { SessionId, type UserId } from "../../src/domain/Ids.ts"
import { ChannelRepository } from "../../src/services/ChannelRepository.ts"
import { holding, oneConnection, waiting } from "../support/Locks.ts"
import * as World from "../support/World.ts"

const name = ChannelName.make("Lobby")

const changes: ReadonlyArray<StandingChange> = [
  {},
  { role: "host" },
  { role: "guest" },
  { role: null },
  { muted: true },
  { muted: false },
  { removed: true },
  { removed: false },
  { role: "listener", muted: true, removed: true }
]

/** A channel of `maker`'s, and users about each of whom something else was decided. */
const makeWorld = Effect.gen(function* () {
  const channels = yield* ChannelRepository
  const tenant = yield* World.makeTenant()
  const other = yield* World.makeTenant()
  const user = (name: string, apiKey = tenant.apiKey) => Effect.map(World.signIn(apiKey, name), ({ user }) => user.id)
  const users = {
    maker: yield* user("maker"),
    host: yield* user("host"),
    host2: yield* user("host2"),
    speaker: yield* user("speaker"),
    guest: yield* user("guest"),
    muted: yield* user("muted"),
    mutedByTenant: yield* user("mutedByTenant"),
    stranger: yield* user("stranger", other.apiKey)
  }
  const { id } = yield* channels.create(tenant.id, name, users.maker)
  const decide = (userId: UserId, change: StandingChange, by: UserId | null) =>
    Effect.map(channels.changeStanding(tenant.id, id, userId, change, by), ({ standing }) => standing)
  yield* decide(users.host, { role: "host" }, null)
  yield* decide(users.host2, { role: "host" }, null)
  yield* decide(users.speaker, { role: "speaker" }, null)
  yield* decide(users.muted, { muted: true }, users.host)
  yield* decide(users.mutedByTenant, { muted: true }, null)
  return { channels, tenant, channelId: id, users, decide }
})

type Who = keyof Effect.Success<typeof makeWorld>["users"]

/** The maker rules over other hosts, but mutes none; a host over everybody else; the tenant over all. */
const refusal = (by: Who | "tenant", target: Who, change: StandingChange, demoted: boolean): string => {
  const isHost = (who: Who) => who === "host" || who === "host2" || (who === "maker" && !demoted)
  if (target === "stranger") return "UserNotFound"
  if (by === "tenant") return "none"
  if (!isHost(by)) return "not_host"
  const rules = by === "maker" && target !== "maker" && change.muted === undefined
  if (isHost(target) && !rules) return "target_is_host"
  return change.muted === false && target === "mutedByTenant" ? "muted_by_tenant" : "none"
}

layer(World.layer(), { excludeTestServices: true, timeout: "60 seconds" })("ChannelRepositoryPg", (it) => {
  for (const demoted of [false, true]) {
    it.effect(`lets everybody decide what they may${demoted ? ", the maker no more once it was demoted" : ""}`, () =>
      Effect.gen(function* () {
        const sql = yield* PgClient
        const { decide, users } = yield* makeWorld
        if (demoted) yield* decide(users.maker, { role: "guest" }, null)
        const everybody = Object.keys(users) as ReadonlyArray<Who>
        for (const by of ["tenant", ...everybody] as const) {
          for (const target of everybody) {
            for (const change of changes) {
              // As if nothing had been decided, for the next one.
              const exit = yield* Effect.exit(decide(users[target], change, by === "tenant" ? null : users[by])).pipe(
                Effect.flatMap(Effect.fail),
                sql.withTransaction,
                Effect.flip
              )
              const said = Exit.isExit(exit) && Exit.isFailure(exit) ? Exit.findErrorOption(exit) : undefined
              const error = said?._tag === "Some" ? said.value : undefined
              const verdict = error === undefined ? "none" : "reason" in error ? error.reason : error._tag
              assert.strictEqual(
                verdict,
                refusal(by, target, change, demoted),
                `${by} about ${target}: ${JSON.stringify(change)}`
              )
            }
          }
        }
      }))
  }

  it.effect("keeps who muted: a host's mute does not weaken the tenant's, the tenant's replaces a host's", () =>
    Effect.gen(function* () {
      const { decide, users: { guest, host, muted, mutedByTenant } } = yield* makeWorld
      assert.strictEqual((yield* decide(mutedByTenant, { muted: true }, host)).mutedBy, "tenant")
      assert.strictEqual((yield* decide(muted, { muted: true }, null)).mutedBy, "tenant")
      assert.strictEqual((yield* decide(guest, { muted: true }, host)).mutedBy, "host")
      assert.strictEqual((yield* decide(guest, { role: "speaker" }, host)).mutedBy, "host")
      assert.deepStrictEqual(yield* decide(guest, { muted: false }, null), {
        role: "speaker",
        mutedBy: null,
        removed: false
      })
    }))

  it.effect.skipIf(oneConnection)(
    "keeps a mute of the tenant's that comes while a host unmutes",
    () =>
      Effect.gen(function* () {
        const { channelId, channels, decide, tenant, users: { host, muted } } = yield* makeWorld
        const release = yield* holding(
          `update channel_standings set muted_by = 'tenant' where channel_id = ${channelId} and user_id = ${muted}`
        )
        const unmuted = yield* Effect.forkChild(decide(muted, { muted: false }, host))
        yield* waiting(1)
        yield* release
        yield* Fiber.join(unmuted)
        assert.strictEqual((yield* channels.standing(tenant.id, channelId, muted)).mutedBy, "tenant")
      })
  )

  it.effect("leaves what a change does not name, and what another said meanwhile", () =>
    Effect.gen(function* () {
      const { channelId, channels, decide, tenant, users: { guest, host } } = yield* makeWorld
      yield* Effect.all([
        decide(guest, { role: "listener" }, host),
        decide(guest, { muted: true }, null),
        decide(guest, { removed: true }, host)
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* channels.standing(tenant.id, channelId, guest), {
        role: "listener",
        mutedBy: "tenant",
        removed: true
      })
    }))

  it.effect("takes a session that is no more for one from before the removal", () =>
    Effect.gen(function* () {
      const { channelId, channels, decide, tenant, users: { guest, host } } = yield* makeWorld
      const sessionId = SessionId.make("00000000-0000-7000-8000-000000000000")
      const removed = Effect.map(
        channels.admissions(tenant.id, channelId, [{ userId: guest, sessionId }, { userId: host, sessionId }]),
        (admissions) => admissions.map(({ standing }) => standing.removed)
      )
      assert.deepStrictEqual(yield* removed, [false, false])
      yield* decide(guest, { removed: true }, host)
      assert.deepStrictEqual(yield* removed, [true, false])
    }))

  it.effect("removes a channel for its host or the tenant, and for nobody of another tenant", () =>
    Effect.gen(function* () {
      const { channelId, channels, decide, tenant, users } = yield* makeWorld
      const other = yield* makeWorld
      for (const by of [users.guest, users.speaker, users.stranger, other.users.maker]) {
        assert.strictEqual((yield* Effect.flip(channels.remove(tenant.id, channelId, by)))._tag, "NotAllowed")
      }
      for (const by of [null, other.users.maker, users.maker]) {
        assert.strictEqual(
          (yield* Effect.flip(channels.remove(other.tenant.id, channelId, by)))._tag,
          "ChannelNotFound"
        )
      }
      yield* decide(users.maker, { role: "speaker" }, null)
      assert.strictEqual((yield* Effect.flip(channels.remove(tenant.id, channelId, users.maker)))._tag, "NotAllowed")
      yield* channels.remove(tenant.id, channelId, users.host)
      assert.strictEqual((yield* Effect.flip(channels.remove(tenant.id, channelId, null)))._tag, "ChannelNotFound")
    }))
})
