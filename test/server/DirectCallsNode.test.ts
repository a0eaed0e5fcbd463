// Direct calls where the flow does not answer as it should: who waits is told so, who left is not worked for, and the
// declared way gets all the rest. What the flow would ask is made to stand still, or to break.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Metric, Option, Scope, Tracer } from "effect"
import type { AddressInfo } from "node:net"
import { connect } from "node:net"
import * as TokenCodecNode from "../../src/crypto/TokenCodecNode.ts"
import { CorsOrigins } from "../../src/http/Cors.ts"
import { RequestIds } from "../../src/http/RequestIds.ts"
import * as DirectCallsNode from "../../src/server/DirectCallsNode.ts"
import * as LifecycleRef from "../../src/server/LifecycleRef.ts"
import { NodeServer } from "../../src/server/NodeServer.ts"
import { ApiKeyRepository } from "../../src/services/ApiKeyRepository.ts"
import { AuditLog } from "../../src/services/AuditLog.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { PasswordHasher } from "../../src/services/PasswordHasher.ts"
import { RateLimits } from "../../src/services/RateLimits.ts"
import { TokenStore } from "../../src/services/TokenStore.ts"
import { UserRepository } from "../../src/services/UserRepository.ts"

const stores = (rotate: Effect.Effect<Option.Option<number>>) =>
  Layer.mergeAll(
    Layer.mock(TokenStore, { rotate: () => rotate }),
    Layer.mock(RateLimits, { check: () => Effect.void }),
    Layer.mock(ApiKeyRepository, {}),
    Layer.mock(AuditLog, { countSocket: () => {} }),
    Layer.mock(PasswordHasher, { needsRehash: () => false }),
    Layer.mock(UserRepository, {}),
    EventBus.layerMemory,
    TokenCodecNode.layer,
    LifecycleRef.layer,
    RequestIds.layer
  )

/** A listening server whose declared way answers `routed`. */
const start = Effect.fnUntraced(function* (rotate: Effect.Effect<Option.Option<number>>) {
  const server = yield* NodeServer.pipe(Effect.provide(NodeServer.layer))
  let routed = 0
  server.on("request", (request, response) => {
    routed++
    let body = ""
    request.on("data", (chunk) => body += chunk).on("end", () => response.end(`routed ${body}`))
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
    () => Effect.sync(() => server.close().closeAllConnections())
  )
  const scope = yield* Scope.make()
  yield* Layer.buildWithScope(
    DirectCallsNode.layer.pipe(Layer.provide(Layer.merge(stores(rotate), Layer.succeed(NodeServer, server)))),
    scope
  )
  return {
    port: (server.address() as AddressInfo).port,
    close: Scope.close(scope, Exit.void),
    routed: () => routed
  }
})

const body = JSON.stringify({ refresh_token: "0".repeat(64) })

const refresh = (more = "", contentType = "application/json") =>
  `POST /api/token/refresh HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: ${contentType}\r\n` +
  `Content-Length: ${body.length}\r\n${more}\r\n${body}`

/** Everything that comes over a connection on which this is said. */
const say = (port: number, text: string) =>
  Effect.callback<string>((resume) => {
    let heard = ""
    const socket = connect(port, "127.0.0.1", () => socket.write(text))
    socket.on("data", (data) => heard += data).on("error", () => {})
    socket.on("close", () => resume(Effect.succeed(heard)))
    return Effect.sync(() => socket.resetAndDestroy())
  })

/** Stands still, and says when it began and when it was interrupted. */
const standstill = Effect.gen(function* () {
  const began = yield* Deferred.make<void>()
  const interrupted = yield* Deferred.make<void>()
  const rotate = Deferred.succeed(began, undefined).pipe(
    Effect.andThen(Effect.never),
    Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
  )
  return { began: Deferred.await(began), interrupted: Deferred.await(interrupted), rotate }
})

/** How many answers of each status were counted, in a registry of the test's own. */
const counting = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.provideService(test, Metric.MetricRegistry, new Map())
const counted = Effect.map(
  Metric.snapshot,
  (series) =>
    series.flatMap((metric) =>
      metric.type === "Counter" && metric.id === "roomkey_http_requests_total"
        ? [[metric.attributes?.["status"], metric.state.count] as const]
        : []
    )
)

/** By then whoever was woken has run. */
const nextTurn = Effect.promise(() => new Promise((resolve) => setImmediate(() => setImmediate(resolve))))

describe("DirectCallsNode", () => {
  it.live("takes a refresh, and leaves one that is spelled otherwise to the declared way, with its body", () =>
    Effect.gen(function* () {
      const { rotate, began } = yield* standstill
      const { port } = yield* start(rotate)
      assert.include(yield* say(port, refresh("", "application/json; charset=utf-8")), `routed ${body}`)
      const unfit = refresh().replace("refresh_token", "refresh-token")
      assert.include(yield* say(port, unfit), 'routed {"refresh-token"')
      yield* Effect.forkChild(say(port, refresh()))
      yield* began
    }))

  it.live("leaves everything to the declared way where requests are traced", () =>
    Effect.gen(function* () {
      const { port } = yield* start(Effect.never)
      assert.include(yield* say(port, refresh()), "routed")
    }).pipe(
      Effect.provideService(Tracer.Tracer, Tracer.make({ span: (options) => new Tracer.NativeSpan(options) }))
    ))

  it.live("tells whom its end interrupts that it is unavailable", () =>
    Effect.gen(function* () {
      const { began, rotate } = yield* standstill
      const { close, port } = yield* start(rotate)
      const answer = yield* Effect.forkChild(say(port, refresh()))
      yield* began
      yield* close
      const heard = yield* Fiber.join(answer)
      assert.match(heard, /^HTTP\/1.1 503/)
      assert.match(heard, /^retry-after: 1\r$/im)
      assert.include(heard, '"code":"unavailable"')
    }))

  it.live("gives whoever is in the middle of its body at its end to the declared way", () =>
    Effect.gen(function* () {
      const { close, port } = yield* start(Effect.never)
      const text = refresh("Expect: 100-continue\r\n")
      const answer = yield* Effect.callback<string>((resume) => {
        let heard = ""
        const socket = connect(port, "127.0.0.1", () => socket.write(text.slice(0, -5)))
        // Its head has been read once it is told to go on.
        socket.once(
          "data",
          () => Effect.runFork(Effect.andThen(close, Effect.sync(() => socket.write(text.slice(-5)))))
        )
        socket.on("data", (data) => heard += data).on("close", () => resume(Effect.succeed(heard)))
      })
      assert.include(answer, `routed ${body}`)
    }))

  it.live("forgets who left in the middle of a body that came behind another call", () =>
    Effect.gen(function* () {
      const { began, interrupted, rotate } = yield* standstill
      const { close, port, routed } = yield* start(rotate)
      const caller = yield* Effect.forkChild(
        say(port, refresh().replace("Connection: close\r\n", "") + refresh().slice(0, -5))
      )
      yield* began
      yield* Fiber.interrupt(caller)
      yield* interrupted
      // Of the requests of one connection one hears of its end after the other.
      yield* nextTurn
      yield* close
      assert.strictEqual(routed(), 0)
    }))

  it.live("takes nothing after its end", () =>
    Effect.gen(function* () {
      const { close, port } = yield* start(Effect.never)
      yield* close
      assert.include(yield* say(port, refresh()), `routed ${body}`)
    }))

  it.live("interrupts the call of a caller that left", () =>
    Effect.gen(function* () {
      const { began, interrupted, rotate } = yield* standstill
      const { port } = yield* start(rotate)
      const caller = yield* Effect.forkChild(say(port, refresh()))
      yield* began
      yield* Fiber.interrupt(caller)
      yield* interrupted
      yield* nextTurn
      assert.deepEqual(yield* counted, [])
    }).pipe(counting))

  it.live("counts each answer once, whatever it is", () =>
    Effect.gen(function* () {
      const right = yield* start(Effect.succeedSome(60))
      assert.match(yield* say(right.port, refresh()), /^HTTP\/1.1 200/)
      assert.deepEqual(yield* counted, [["200", 1]])
      const wrong = yield* start(Effect.die(new Error("a bug")))
      assert.match(yield* say(wrong.port, refresh()), /^HTTP\/1.1 500/)
      assert.sameDeepMembers([...yield* counted], [["200", 1], ["500", 1]])
    }).pipe(counting))

  it.live("marks for the page what a bug is answered by", () =>
    Effect.gen(function* () {
      const { port } = yield* start(Effect.die(new Error("a bug")))
      const heard = yield* say(port, refresh("Origin: https://one.example\r\n"))
      assert.match(heard, /^HTTP\/1.1 500/)
      assert.match(heard, /^access-control-allow-origin: https:\/\/one.example\r$/im)
      assert.notInclude(heard, "a bug")
    }).pipe(Effect.provideService(CorsOrigins, ["https://one.example"])))
})
