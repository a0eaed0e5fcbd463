// Two instances with a memory each, over one database, against the plain stores. Nobody tells either what the other did:
// each answers like the plain stores for what it did itself, and for what the other did within a second.
import { assert, layer } from "@effect/vitest"
import { Arbitrary, type Context, Effect, Layer, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as RememberingStores from "../../src/cache/RememberingStores.ts"
import { Event } from "../../src/domain/Event.ts"
import type { SignedIn } from "../../src/domain/Session.ts"
import { authenticate } from "../../src/flows/sessions/Authenticate.ts"
import { logout } from "../../src/flows/sessions/Logout.ts"
import { refreshSession } from "../../src/flows/sessions/RefreshSession.ts"
import { revokeSessions } from "../../src/flows/sessions/RevokeSessions.ts"
import { changeTenant } from "../../src/flows/tenants/ChangeTenant.ts"
import { changeUser } from "../../src/flows/users/ChangeUser.ts"
import { eraseUser } from "../../src/flows/users/EraseUser.ts"
import { EventBus } from "../../src/services/EventBus.ts"
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
    "resume"
  ]),
  millis: Schema.Literals([1, 300, 700, 1000])
})
const steps = Arbitrary.array(Arbitrary.schema(Step), { minLength: 4, maxLength: 14 })

const names = ["ada", "bob"] as const

const instance = Layer.build(
  Layer.fresh(RememberingStores.layer).pipe(Layer.provideMerge(Layer.fresh(EventBus.layerMemory)))
)

const without = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, RecentSessions, { recall: () => undefined })

type Instance = Context.Context<Layer.Success<typeof RememberingStores.layer> | EventBus>

const on = (context: Instance) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideContext(effect, context)

/** Whom a token signs in, with its profile, or why not. */
const answer = (signedIn: SignedIn) =>
  Effect.map(
    Effect.result(authenticate(signedIn.token)),
    (result) =>
      Result.isSuccess(result) ? JSON.stringify([result.success.sessionId, result.success.user]) : result.failure._tag
  )

layer(World.layer(), { timeout: "120 seconds" })("RememberingStores", (it) => {
  it.effect.prop("answers like the plain stores: what it did at once, what another did within a second", [steps], ([
    steps
  ]) =>
    Effect.gen(function* () {
      const instances = [yield* instance, yield* instance] as const
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

      for (const step of steps) {
        // Both know everything that they may know.
        for (const context of instances) yield* on(context)(Effect.forEach(known, answer, { discard: true }))
        if (step.do === "wait") {
          now += step.millis
          yield* TestClock.adjust(step.millis)
        } else {
          yield* Effect.ignore(on(instances[step.at])(perform(step)))
        }
        yield* record
        const [before, truth] = history.slice(-2)
        for (const [index, said] of truth!.answers.entries()) {
          if (step.do !== "wait" && said !== before!.answers[index]) changedBy[step.at].set(index, history.length - 1)
        }
        for (const [at, context] of instances.entries()) {
          const answers = yield* on(context)(Effect.forEach(known, answer))
          for (const [index, said] of answers.entries()) {
            const since = changedBy[at]!.get(index) ?? 0
            const maySay = history.flatMap(({ answers }, moment) => {
              const until = history[moment + 1]?.from ?? Infinity
              return moment >= since && until > now - 1000 ? [answers[index]] : []
            })
            assert.include(maySay, said)
          }
        }
      }
    }).pipe(Effect.scoped), { arbitrary: { runs: 25 } })

  it.effect("answers from memory, until it hears that the session has ended or may have missed something", () =>
    Effect.gen(function* () {
      const context = yield* instance
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
        while (known()[0]) yield* Effect.yieldNow
        assert.deepStrictEqual(known(), [false, true])
        assert.strictEqual((yield* Effect.flip(authenticate(one.token)))._tag, "InvalidToken")
        yield* bus.publish(Event.Gap())
        assert.deepStrictEqual(known(), [false, false])
      }).pipe(on(context))
    }).pipe(Effect.scoped))
})
