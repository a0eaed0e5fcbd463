// A password login, which is a hash and little else, against the argon2 library alone; and what a read waits meanwhile.
import { availableParallelism } from "node:os"
import { accounts, meCall, onNode, password as secret, signedUp } from "../Bench.ts"
import { costOf, Load, request, type Target } from "../Load.ts"
import { percentile } from "../LoadJob.ts"
import { Worker } from "../Processes.ts"
import type { Case, Sample } from "../Report.ts"
import { measured, type Work } from "./Work.ts"

const alone = "argon2 alone"
const fastify = "Fastify + pg"
const betterAuth = "Better Auth, scrypt"

/** What all processors would do if none ever waited, at what one costs server, PostgreSQL and load together. */
const atMost = (cpuSeconds: number) => ({ "at most/s": availableParallelism() / cpuSeconds })

/** As many as wait for a place and no more, so that none is refused. */
const connections = 16

/** Seconds of logins before a server's first turn: at a hundred a second its code takes that long to be compiled. */
const warmUp = 15

const bodiesOf = ({ app_id }: { readonly app_id: string }) =>
  Array.from({ length: accounts }, (_, n) => ({ app_id, username: `account${n}`, password: secret }))

export const password: Work = {
  name: "password",
  title: `POST /api/auth/token, ${connections} at a time; GET /api/me over one connection before and beside as many`,
  run: async (bench) => {
    await bench.ready(
      ...bench.variants.map(({ embedded, runtime }) => () => bench.roomkey(runtime, embedded)),
      bench.fastify,
      bench.betterAuth
    )
    await using argon2 = new Worker("./subjects/Argon2.ts")
    await using beside = new Load()
    const warm = new Set<Target>()

    const logins = async (
      target: Target,
      path: string,
      bodies: ReadonlyArray<object>,
      seconds: number,
      me?: ReturnType<typeof meCall>
    ): Promise<Sample> => {
      const requests = bodies.map((body) => request("POST", path, undefined, body))
      const job = { port: target.port, requests, status: 200, seconds, connections }
      if (!bench.options.smoke && !warm.has(target)) {
        warm.add(target)
        await bench.load.run({ ...job, seconds: warmUp })
      }
      const ask = (over: number) => beside.run({ ...me!, port: target.port, connections: 1, seconds: over })
      const idle = me === undefined ? undefined : await ask(seconds / 2)
      const { database, result: done, server } = await costOf(target, () => bench.load.run(job))
      // Reads as fast as they are answered cost more than the logins' statements: their logins are not counted.
      const busy = me === undefined ? undefined : (await Promise.all([ask(seconds), bench.load.run(job)]))[0]
      const errors = done.errors + (idle?.errors ?? 0) + (busy?.errors ?? 0)
      if (done.answers === 0 || errors > 0 && busy?.answers === 0) {
        throw new Error(done.error || busy?.error || "no answers")
      }
      const perLogin = (cpu: number) => cpu / done.answers * 1000
      return {
        "req/s": done.answers / done.elapsed,
        "p50 ms": done.p50,
        "p99 ms": done.p99,
        "CPU ms": perLogin(server),
        "load ms": perLogin(done.cpu),
        ...(database === undefined ? {} : { "PG ms": perLogin(database) }),
        ...atMost((server + done.cpu + (database ?? 0)) / done.answers),
        ...(idle === undefined || busy === undefined ? {} : {
          "me idle p50 ms": idle.p50,
          "me idle p99 ms": idle.p99,
          "me p50 ms": busy.p50,
          "me p99 ms": busy.p99
        }),
        ...(errors === 0 ? {} : { errors })
      }
    }

    const cases: ReadonlyArray<Case> = [
      {
        name: alone,
        run: async (seconds) => {
          const { cpu, elapsed, times } = await argon2.ask<{
            readonly times: ReadonlyArray<number>
            readonly elapsed: number
            readonly cpu: number
          }>({ seconds })
          const sorted = times.toSorted((a, b) => a - b)
          return {
            "req/s": times.length / elapsed,
            "p50 ms": percentile(sorted, 0.5),
            "p99 ms": percentile(sorted, 0.99),
            "CPU ms": cpu / times.length * 1000,
            ...atMost(cpu / times.length)
          }
        }
      },
      ...bench.variants.map(({ embedded, name, runtime }): Case => ({
        name,
        run: async (seconds) => {
          const { server, sessions, tenant } = await bench.roomkey(runtime, embedded)
          return logins(server, "/api/auth/token", bodiesOf(tenant), seconds, meCall(sessions))
        }
      })),
      {
        name: fastify,
        run: async (seconds) => {
          const { server, sessions, tenant } = await bench.fastify()
          return logins(server, "/api/auth/token", bodiesOf(tenant), seconds, meCall(sessions))
        }
      },
      {
        name: betterAuth,
        run: async (seconds) => {
          const { server } = await bench.betterAuth()
          const bodies = Array.from({ length: signedUp }, (_, n) => ({ username: `account${n}`, password: secret }))
          return logins(server, "/api/auth/sign-in/username", bodies, seconds)
        }
      }
    ]
    const rate = (subject: string) => ({ subject, column: "req/s" })
    const most = (subject: string) => ({ subject, column: "at most/s" })
    return measured(await bench.rounds(cases), [
      { of: rate(onNode), to: rate(alone), target: "≥ 0.95" },
      { of: most(onNode), to: rate(alone) },
      ...bench.variants.slice(1).map(({ name }) => ({ of: rate(name), to: rate(alone) })),
      { of: rate(fastify), to: rate(alone) },
      { of: most(fastify), to: rate(alone) },
      { of: rate(onNode), to: rate(fastify) },
      {
        of: { subject: onNode, column: "me p99 ms" },
        to: { subject: onNode, column: "me idle p99 ms" },
        target: "≤ 3"
      }
    ], ["Better Auth hashes by scrypt, so its rate says how dear its hash is, not how fast its code."])
  }
}
