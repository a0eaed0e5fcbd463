// Two instances with a memory each, over one database, against the plain stores. Neither tells the other but by what its
// statements notify: each answers like the plain stores for what it did itself, and for what the other did within a second.
import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Arbitrary, Context, Duration, Effect, Fiber, Latch, Layer, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as RememberingStores from "../../src/cache/RememberingStores.ts"
import { Event } from "../../src/domain/Event.ts"
import { SessionPolicy, type SignedIn } from "../../src/domain/Session.ts"
import { StoreUnavailable } from "../../src/domain/Unavailable.ts"
import { authenticate } from "../../src/flows/sessions/Authenticate.ts"
import { logout } from "../../src/flows/sessions/Logout.ts"
import { refreshSession } from "../../src/flows/sessions/RefreshSession.ts"
import { revokeSessions } from "../../src/flows/sessions/RevokeSessions.ts"
import { changeTenant } from "../../src/flows/tenants/ChangeTenant.ts"
import { changeUser } from "../../src/flows/users/ChangeUser.ts"
import { eraseUser } from "../../src/flows/users/EraseUser.ts"
import * as EventBusPg from "../../src/postgres/EventBusPg.ts"
import { PictureUrl } from "../../src/domain/User.ts"
import { EventBus, maxLag } from "../../src/services/EventBus.ts"
import { RecentSessions } from "../../src/services/RecentSessions.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import { UserRepository } from "../../src/services/UserRepository.ts"
import * as World from "../support/World.ts"

const Step = Schema.Struct({
  at: Schema.Literals([0, 1]),
  user: Schema.Literals([0, 1]),
  do: Schema.Literals([
    "wait",
    "wait",
    "refresh",
    "refresh",
    "sign in again",
    "say something new at sign-in",
    "log out",
    "end all sessions",
    "change the profile",
    "ban",
    "let in again",
    "set the password",
    "erase",
    "suspend",
    "resume",
    "change the origins"
  ]),
  millis: Schema.Literals([1, 300, 700, 1000])
})
const steps = Arbitrary.array(Arbitrary.schema(Step), { minLength: 4, maxLength: 14 })

const aSecond: typeof Step.Type = { at: 0, user: 0, do: "wait", millis: 1000 }

const names = ["ada", "bob"] as const

const instanceWith = <E, R>(bus: Layer.Layer<EventBus, E, R>) =>
  Layer.build(Layer.fresh(RememberingStores.layer).pipe(Layer.provideMerge(Layer.fresh(bus))))

/** Milliseconds for which it believes a reading. */
const shortly = 250 + maxLag

const shortlyRemembering = Effect.fn("shortlyRemembering")(function* (store: TokenStore["Service"]) {
  const policy = { ...yield* SessionPolicy, refreshGrace: Duration.millis(250) }
  return yield* instanceWith(EventBus.layerMemory).pipe(
    Effect.provideService(TokenStore, store),
    Effect.provideService(SessionPolicy, policy)
  )
})

const without = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, RecentSessions, { recall: () => undefined })

/** What a step set going beside its answer has been sent, and is done. */
const settled = Effect.gen(function* () {
  const sql = yield* PgClient
  yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
  yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
  yield* sql`select`
})

type Instance = Context.Context<Layer.Success<typeof RememberingStores.layer> | EventBus>

const on = (context: Instance) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideContext(effect, context)

/** Whom a token signs in, with its profile and its tenant's rules, or why not. */
const answer = (signedIn: SignedIn) =>
  Effect.map(
    Effect.result(authenticate(signedIn.token)),
    (result) =>
      Result.isSuccess(result)
        ? JSON.stringify([result.success.sessionId, result.success.user, result.success.allowedOrigins])
        : result.failure._tag
  )

layer(World.layer(), { timeout: "120 seconds" })("RememberingStores", (it) => {
  it.effect.prop("answers like the plain stores: what it did at once, what another did within a second", [steps], ([
    steps
  ]) =>
    Effect.gen(function* () {
      const instances = [yield* instanceWith(EventBusPg.layer), yield* instanceWith(EventBusPg.layer)] as const
      const tenant = yield* World.makeTenant()
      const known: Array<SignedIn> = []
      const latest: Array<SignedIn> = []
      let version = 0
      const signIn = (user: 0 | 1, metadata: { [key: string]: number }) =>
        Effect.map(World.signIn(tenant.apiKey, names[user], { metadata }), (signedIn) => {
          known.push(signedIn)
          latest[user] = signedIn
        })
      yield* signIn(0, { version })
      yield* signIn(1, { version })

      const perform = Effect.fnUntraced(function* (step: typeof Step.Type) {
        const session = latest[step.user]!
        const userId = session.user.id
        switch (step.do) {
          case "refresh": {
            const next = { ...session, ...yield* refreshSession(session.refreshToken) }
            known.push(next)
            latest[step.user] = next
            break
          }
          case "sign in again":
            yield* signIn(step.user, { version })
            break
          case "say something new at sign-in":
            yield* signIn(step.user, { version: ++version })
            break
          case "log out":
            yield* without(Effect.flatMap(authenticate(session.token), logout))
            break
          case "end all sessions":
            yield* revokeSessions(tenant.id, userId)
            break
          case "change the profile":
            yield* changeUser(tenant.id, userId, { metadata: { version: ++version } })
            break
          case "ban":
          case "let in again":
            yield* changeUser(tenant.id, userId, { banned: step.do === "ban" })
            break
          case "set the password": {
            const users = yield* UserRepository
            yield* users.setPassword(tenant.id, userId, `$argon2id$${++version}`)
            break
          }
          case "erase":
            yield* eraseUser(tenant.id, userId)
            break
          case "suspend":
          case "resume":
            yield* changeTenant(tenant.id, { suspended: step.do === "suspend" })
            break
          case "change the origins":
            yield* changeTenant(tenant.id, { allowedOrigins: [`https://${++version}.example`] })
        }
      })

      let now = 0
      /** What the plain stores said of every token, from when on. */
      const history: Array<{ readonly from: number; readonly answers: ReadonlyArray<string> }> = []
      const record = Effect.gen(function* () {
        history.push({ from: now, answers: yield* without(Effect.forEach(known, answer)) })
      })
      yield* record
      /** For each instance, by token: the last moment of the history that it made itself. */
      const changedBy = [new Map<number, number>(), new Map<number, number>()] as const
      /** The tokens that it displaced by a second refresh. */
      const displacedBy = [new Set<number>(), new Set<number>()] as const

      for (const step of [...steps, aSecond]) {
        // Both know everything that they may know.
        for (const context of instances) yield* on(context)(Effect.forEach(known, answer, { discard: true }))
        if (step.do === "wait") {
          now += step.millis
          yield* TestClock.adjust(step.millis)
        } else {
          yield* Effect.ignore(on(instances[step.at])(perform(step)))
        }
        yield* settled
        yield* record
        const [before, truth] = history.slice(-2)
        for (const [index, said] of truth!.answers.entries()) {
          if (step.do === "wait" || said === before!.answers[index]) continue
          changedBy[step.at].set(index, history.length - 1)
          if (step.do === "refresh") displacedBy[step.at].add(index)
        }
        for (const [at, context] of instances.entries()) {
          const answers = yield* on(context)(Effect.forEach(known, answer))
          for (const [index, said] of answers.entries()) {
            const changedHere = changedBy[at]!.get(index)
            const { sessionId } = known[index]!
            const maySay = history.flatMap(({ answers }, moment) => {
              const until = history[moment + 1]?.from ?? Infinity
              if (moment < (changedHere ?? 0) || until <= now - 1000) return []
              if (displacedBy[at]!.has(index)) return [answers[index]]
              // For its grace period a token is good though another instance has refreshed the pair after it too.
              return answers.filter((_, other) => other >= index && known[other]!.sessionId === sessionId)
            })
            assert.include(maySay, said)
          }
        }
      }
    }).pipe(Effect.scoped), { arbitrary: { runs: 25 } })

  it.effect("answers from memory, until it hears that the session has ended or may have missed something", () =>
    Effect.gen(function* () {
      const context = yield* instanceWith(EventBus.layerMemory)
      const { apiKey } = yield* World.makeTenant()
      const store = yield* TokenStore
      yield* Effect.gen(function* () {
        const bus = yield* EventBus
        const [one, two] = [yield* World.signIn(apiKey, "ada"), yield* World.signIn(apiKey, "bob")]
        const { recall } = yield* RecentSessions
        const known = () => [recall(one.sessionId) !== undefined, recall(two.sessionId) !== undefined]
        const useBoth = Effect.forEach([one, two], ({ token }) => authenticate(token))
        yield* useBoth
        yield* TestClock.adjust(1)
        yield* useBoth
        assert.deepStrictEqual(known(), [true, true])
        // By another instance, whose word comes a moment later.
        yield* store.end(one.sessionId, "revoked")
        yield* authenticate(one.token)
        yield* bus.publish(Event.SessionsEnded({ sessionIds: [one.sessionId], reason: "revoked" }))
        assert.deepStrictEqual(known(), [false, true])
        assert.strictEqual((yield* Effect.flip(authenticate(one.token)))._tag, "InvalidToken")
        yield* bus.publish(Event.Gap())
        assert.deepStrictEqual(known(), [false, false])
      }).pipe(on(context))
    }).pipe(Effect.scoped))

  it.effect("does not believe what it was reading while it ended the session itself", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      const { sessionId } = yield* World.signIn(apiKey, "ada")
      const plain = yield* TokenStore
      const read = yield* Latch.make()
      const go = yield* Latch.make()
      const late = {
        ...plain,
        find: (id: typeof sessionId) => Effect.tap(plain.find(id), () => Effect.andThen(read.open, go.await))
      }
      const context = yield* Effect.provideService(instanceWith(EventBus.layerMemory), TokenStore, late)
      yield* Effect.gen(function* () {
        const store = yield* TokenStore
        const { recall } = yield* RecentSessions
        const reading = yield* Effect.forkChild(store.find(sessionId))
        yield* read.await
        yield* TestClock.adjust(1)
        yield* store.end(sessionId, "revoked")
        yield* Fiber.interrupt(yield* Effect.forkChild(store.find(sessionId), { startImmediately: true }))
        yield* go.open
        yield* Fiber.join(reading)
        assert.isUndefined(recall(sessionId))
        yield* TestClock.adjust(1)
        yield* store.find(sessionId)
        assert.isDefined(recall(sessionId))
      }).pipe(on(context))
    }).pipe(Effect.scoped))

  it.effect("reads together, before they count no longer, the sessions that are still asked for", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      const names = ["not asked for", ...Array.from({ length: 35 }, (_, n) => `user ${n}`)]
      const signedIn = yield* Effect.forEach(names, (name) => World.signIn(apiKey, name))
      const [unasked, first, ...others] = signedIn.map(({ sessionId }) => sessionId)
      const plain = yield* TokenStore
      const asked: Array<number> = []
      const [began, go] = [yield* Latch.make(), yield* Latch.make()]
      const late: typeof plain = {
        ...plain,
        findAll: (ids) => {
          asked.push(ids.length)
          return began.open.pipe(Effect.andThen(go.await), Effect.andThen(plain.findAll(ids)))
        }
      }
      const context = yield* shortlyRemembering(late)
      yield* Effect.gen(function* () {
        const { recall } = yield* RecentSessions
        yield* Effect.forEach(signedIn, ({ token }) => authenticate(token))
        yield* TestClock.adjust(shortly - 1)
        recall(first!)
        yield* began.await
        others.forEach(recall)
        yield* go.open
        while (asked.length < 3) yield* Effect.yieldNow
        yield* TestClock.adjust(1)
        while ([first!, ...others].some((id) => recall(id) === undefined)) yield* Effect.yieldNow
        assert.deepStrictEqual(asked, [1, 32, 2])
        assert.isUndefined(recall(unasked!))
      }).pipe(on(context))
    }).pipe(Effect.scoped))

  it.effect("goes on reading sessions again after one time that failed, and one that met a bug", () =>
    Effect.gen(function* () {
      const { apiKey } = yield* World.makeTenant()
      const signedIn = yield* Effect.forEach(["ada", "bob", "eve"], (name) => World.signIn(apiKey, name))
      const plain = yield* TokenStore
      const outcomes = [
        Effect.fail(new StoreUnavailable({ operation: "findAll", cause: "a test" })),
        Effect.die("a bug")
      ]
      let asked = 0
      const failing: typeof plain = { ...plain, findAll: (ids) => outcomes[asked++] ?? plain.findAll(ids) }
      const context = yield* shortlyRemembering(failing)
      yield* Effect.gen(function* () {
        const { recall } = yield* RecentSessions
        yield* Effect.forEach(signedIn, ({ token }) => authenticate(token))
        yield* TestClock.adjust(shortly - 1)
        for (const [index, { sessionId }] of signedIn.entries()) {
          recall(sessionId)
          while (asked <= index) yield* Effect.yieldNow
        }
        yield* TestClock.adjust(1)
        const known = () => signedIn.map(({ sessionId }) => recall(sessionId) !== undefined)
        while (!known().at(-1)) yield* Effect.yieldNow
        assert.deepStrictEqual(known(), [false, false, true])
      }).pipe(on(context))
    }).pipe(Effect.scoped))

  it.effect("hears of whatever another instance changes in what it remembers", () =>
    Effect.gen(function* () {
      const context = yield* instanceWith(EventBusPg.layer)
      const { apiKey, id: tenantId } = yield* World.makeTenant()
      const changes = {
        session: (signedIn: SignedIn) =>
          Effect.flatMap(TokenStore, (store) => store.end(signedIn.sessionId, "revoked")),
        profile: ({ user }: SignedIn) =>
          changeUser(tenantId, user.id, { pictureUrl: PictureUrl.make("https://ada.example/new.png") }),
        signIn: ({ user }: SignedIn) => World.signIn(apiKey, user.username, { metadata: { now: "something else" } }),
        password: ({ user }: SignedIn) =>
          Effect.flatMap(UserRepository, (users) => users.setPassword(tenantId, user.id, "$argon2id$")),
        user: ({ user }: SignedIn) => eraseUser(tenantId, user.id),
        origins: () => changeTenant(tenantId, { allowedOrigins: ["https://ada.example"] }),
        queryTokens: () => changeTenant(tenantId, { queryTokens: false }),
        tenant: () => changeTenant(tenantId, { suspended: true })
      }
      for (const [name, change] of Object.entries(changes)) {
        const signedIn = yield* World.signIn(apiKey, `of${name}`)
        const isKnown = () => Context.get(context, RecentSessions).recall(signedIn.sessionId) !== undefined
        yield* authenticate(signedIn.token)
        // It remembers as soon as it hears.
        while (!isKnown()) {
          yield* TestClock.adjust(1)
          yield* on(context)(authenticate(signedIn.token))
        }
        yield* change(signedIn)
        while (isKnown()) yield* Effect.yieldNow
      }
    }).pipe(Effect.scoped))

  it.effect("refuses at once what it has refreshed twice", () =>
    Effect.gen(function* () {
      const context = yield* instanceWith(EventBus.layerMemory)
      const { apiKey } = yield* World.makeTenant()
      const first = yield* World.signIn(apiKey, "ada")
      yield* Effect.gen(function* () {
        yield* authenticate(first.token)
        yield* TestClock.adjust(1)
        yield* authenticate(first.token)
        const second = yield* refreshSession(first.refreshToken)
        yield* TestClock.adjust(1)
        yield* authenticate(first.token)
        yield* refreshSession(second.refreshToken)
        assert.strictEqual((yield* Effect.flip(authenticate(first.token)))._tag, "InvalidToken")
      }).pipe(on(context))
    }).pipe(Effect.scoped))
})
