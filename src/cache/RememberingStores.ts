// The stores as they are, and a memory of the sessions that they read. Whatever may change a session, or the user or tenant
// that is read with it, goes through here and makes the memory forget, whether or not it is known to have succeeded; but
// for a sign-in that nobody had an answer to, whose evictions and changes are heard of like those of another instance.
import { Clock, Context, Duration, Effect, Layer, Option, Queue } from "effect"
import type { SessionId, TenantId, UserId } from "../domain/Ids.ts"
import { SessionPolicy, type SessionRecord } from "../domain/Session.ts"
import { EventBus, maxLag } from "../services/EventBus.ts"
import { RecentSessions } from "../services/RecentSessions.ts"
import { TenantRepository } from "../services/TenantRepository.ts"
import { TokenStore } from "../services/TokenStore.ts"
import { UserRepository } from "../services/UserRepository.ts"
import { SessionMemory } from "./SessionMemory.ts"

const maxReadings = 10_000

/** Sessions that are read again by one statement: more of them would keep everybody else waiting while they come in. */
const readAgainAtOnce = 32

/** Characters of metadata; with more of it a session is read each time. */
const maxMetadata = 2048

const isSmall = ({ user }: SessionRecord): boolean =>
  user.metadata === null || JSON.stringify(user.metadata).length <= maxMetadata

/** Milliseconds for which a reading is believed at most, however long the grace period. */
const longest = 60_000

type Stores = TokenStore | UserRepository | TenantRepository

export const layer: Layer.Layer<Stores, never, Stores | EventBus> = Layer.effectContext(
  Effect.gen(function* () {
    const store = yield* TokenStore
    const users = yield* UserRepository
    const tenants = yield* TenantRepository
    const bus = yield* EventBus
    const clock = yield* Clock.Clock
    const { refreshGrace } = yield* SessionPolicy
    const someAge = yield* Queue.dropping<void>(1)
    const memory = new SessionMemory({
      maxReadings,
      believedFor: Math.min(longest, Duration.toMillis(refreshGrace) + maxLag),
      onAging: () => Queue.offerUnsafe(someAge, undefined)
    })

    const millis = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    const moment = () => ({ at: millis(), epoch: bus.hearing() })
    const forget = (ids: ReadonlyArray<SessionId | UserId>) => memory.forget(ids, millis())
    const forgetting = (...ids: ReadonlyArray<SessionId | UserId>) => Effect.ensuring(Effect.sync(() => forget(ids)))
    const forgettingTenant = (id: TenantId) => Effect.ensuring(Effect.sync(() => memory.forgetTenant(id, millis())))

    yield* bus.attend((event) => {
      switch (event._tag) {
        case "SessionsEnded":
          return forget(event.sessionIds)
        case "UserChanged":
          return forget([event.userId])
        case "TenantChanged":
          return memory.forgetTenant(event.tenantId, millis())
      }
    })

    const remembering = <E>(read: Effect.Effect<ReadonlyArray<SessionRecord>, E>) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          memory.begun()
          return moment()
        }),
        (asked) =>
          Effect.tap(read, (records) =>
            Effect.sync(() => {
              for (const record of records) if (isSmall(record)) memory.remember(record, asked, millis())
            })),
        () => Effect.sync(() => memory.ended())
      )

    const takeAging = () => memory.takeAging(readAgainAtOnce, moment())

    // What is not read again is waited for by whoever asks for it when it counts no longer.
    yield* Effect.gen(function* () {
      yield* Queue.take(someAge)
      for (let ids = takeAging(); ids.length > 0; ids = takeAging()) {
        yield* remembering(store.findAll(ids)).pipe(
          Effect.ignore,
          Effect.catchCause((cause) => Effect.logError("Sessions not read again", cause))
        )
      }
    }).pipe(Effect.forever, Effect.forkScoped)

    return Context.make(RecentSessions, { recall: (id) => memory.recall(id, moment()) }).pipe(
      Context.add(TokenStore, {
        ...store,
        find: (id) =>
          Effect.map(
            remembering(Effect.map(store.find(id), Option.toArray)),
            ([found]) => Option.fromUndefinedOr(found)
          ),
        openForProfile: (tenantId, apiKeyId, profile, tokens) =>
          Effect.map(store.openForProfile(tenantId, apiKeyId, profile, tokens), (opened) => {
            forget([opened.user.id])
            return opened
          }),
        openForPassword: (tenantId, userId, passwordHash, tokens) =>
          store.openForPassword(tenantId, userId, passwordHash, tokens).pipe(forgetting(userId)),
        markUsed: (id, digest) => store.markUsed(id, digest).pipe(forgetting(id)),
        rotate: (digest, salt, next) => store.rotate(digest, salt, next).pipe(forgetting(next.sessionId)),
        replaceUnused: (digest, expectedSalt, salt, next) =>
          store.replaceUnused(digest, expectedSalt, salt, next).pipe(forgetting(next.sessionId)),
        endAll: (tenantId, userId, reason, options) =>
          store.endAll(tenantId, userId, reason, options).pipe(forgetting(userId)),
        endWithin: (tenantId, userId, id, reason) => store.endWithin(tenantId, userId, id, reason).pipe(forgetting(id)),
        end: (id, reason) => store.end(id, reason).pipe(forgetting(id))
      }),
      Context.add(UserRepository, {
        ...users,
        update: (tenantId, userId, change) => users.update(tenantId, userId, change).pipe(forgetting(userId)),
        remove: (tenantId, userId) => users.remove(tenantId, userId).pipe(forgetting(userId)),
        setPassword: (tenantId, userId, passwordHash, options) =>
          users.setPassword(tenantId, userId, passwordHash, options).pipe(forgetting(userId))
      }),
      Context.add(TenantRepository, {
        ...tenants,
        update: (tenantId, change) => tenants.update(tenantId, change).pipe(forgettingTenant(tenantId)),
        remove: (tenantId) => tenants.remove(tenantId).pipe(forgettingTenant(tenantId))
      })
    )
  })
)
