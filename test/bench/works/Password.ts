// A password login, which is a hash and little else, against the argon2 library alone; and what a read waits meanwhile.
import { availableParallelism } from "node:os"
import { nicenessOn } from "../../../src/crypto/Concurrency.ts"
import { accounts, meCall, onNode, password as secret, signedUp, threadEach } from "../Bench.ts"
import { costOf, Load, request, type Target } from "../Load.ts"
import { percentile } from "../LoadJob.ts"
import { Worker } from "../Processes.ts"
import type { Case, Sample } from "../Report.ts"
import { measured, type Work } from "./Work.ts"

const alone = "argon2 alone"
/** The most that the library does on this machine. */
const most = "argon2 alone, a thread a processor"
/** What is left of that behind HTTP, whatever else a login is. */
const overHttp = "node:http, argon2, no database"
/** The same of a plain login with one: one lookup, one insert, one commit each. */
const overPg = "node:http, argon2, pg: a lookup, an insert"
/** What reads wait for although nobody logs in: the processors are not theirs alone. */
const apart = "node:http, argon2 as nice as Roomkey's"
const fastify = "Fastify + pg"
const betterAuth = "Better Auth, scrypt"

/** What all processors would do if none ever waited, at what one costs server, PostgreSQL and load together. */
const atMost = (cpuSeconds: number) => ({ "at most/s": availableParallelism() / cpuSeconds })

/** As many as wait for a place and no more, so that none is refused. */
const connections = 16

/** Seconds of logins before a server's first turn: at a hundred a second its code takes that long to be compiled. */
const warmUp = 15

/**
 * Seconds before logins count, until hashes are called up as they will be. Since several are answered at once, it matters
 * when the count begins: in each turn at another moment.
 */
const settled = () => 0.5 + Math.random() / 5

const bodiesOf = ({ app_id }: { readonly app_id: string }) =>
  Array.from({ length: accounts }, (_, n) => ({ app_id, username: `account${n}`, password: secret }))

export const password: Work = {
  name: "password",
  title: `POST /api/auth/token, ${connections} at a time; GET /api/me over one connection before and beside as many`,
  run: async (bench) => {
    await bench.ready(
      ...bench.variants.map(({ embedded, runtime }) => () => bench.roomkey(runtime, embedded)),
      bench.argon2Http,
      bench.argon2Pg,
      bench.fastify,
      bench.betterAuth,
      bench.nodeHttp
    )
    const processors = availableParallelism()
    // Node's own has four threads; more where there are more processors, or some would have nothing to do.
    const ownPool = { UV_THREADPOOL_SIZE: String(Math.max(4, processors)) }
    await using argon2 = new Worker("./subjects/Argon2.ts", [`${processors}`], ownPool)
    await using mostArgon2 = new Worker("./subjects/Argon2.ts", [`${2 * processors}`], threadEach)
    await using niceArgon2 = new Worker("./subjects/Argon2.ts", [`${2 * processors}`, `${nicenessOn()}`], threadEach)
    // What times single answers beside other work is scheduled as any program is.
    await using beside = new Load({ givesWay: false })
    const warm = new Set<Target>()

    /** How long reads over one connection take. */
    const reads = async (
      name: string,
      target: Target,
      me: ReturnType<typeof meCall>,
      seconds: number,
      settle = 0
    ): Promise<Sample> => {
      const { answers, error, errors, p50, p99 } = await beside.run({
        ...me,
        port: target.port,
        connections: 1,
        seconds,
        settle
      })
      if (answers === 0) throw new Error(error || "no answers")
      return {
        [`${name} p50 ms`]: p50,
        [`${name} p99 ms`]: p99,
        ...(errors === 0 ? {} : { [`${name} errors`]: errors })
      }
    }

    const logins = async (
      target: Target,
      path: string,
      bodies: ReadonlyArray<object>,
      seconds: number,
      me?: ReturnType<typeof meCall>
    ): Promise<Sample> => {
      const requests = bodies.map((body) => request("POST", path, undefined, body))
      const settle = settled()
      const job = { port: target.port, requests, status: 200, seconds, settle, connections }
      if (!bench.options.smoke && !warm.has(target)) {
        warm.add(target)
        await bench.load.run({ ...job, seconds: warmUp })
      }
      const login = async () => {
        const done = await bench.load.run(job)
        if (done.answers === 0) throw new Error(done.error || "no answers")
        return done
      }
      const idle = me === undefined ? {} : await reads("me idle", target, me, seconds / 2)
      const { database, result: done, server } = await costOf(target, login)
      // Reads as fast as they are answered cost more than the logins' statements: their logins are not counted.
      const busy = me === undefined ? {} : (await Promise.all([reads("me", target, me, seconds, settle), login()]))[0]
      const perLogin = (cpu: number) => cpu / done.answers * 1000
      return {
        "req/s": done.inTime / seconds,
        "p50 ms": done.p50,
        "p99 ms": done.p99,
        "CPU ms": perLogin(server),
        "load ms": perLogin(done.cpu),
        ...(database === undefined ? {} : { "PG ms": perLogin(database) }),
        ...atMost((server + done.cpu + (database ?? 0)) / done.answers),
        ...idle,
        ...busy,
        ...(done.errors === 0 ? {} : { errors: done.errors })
      }
    }

    const hashes = async (worker: Worker, seconds: number): Promise<Sample> => {
      const { answers, cpu, times } = await worker.ask<{
        readonly answers: number
        readonly times: ReadonlyArray<number>
        readonly cpu: number
      }>({ seconds, settle: settled() })
      const sorted = times.toSorted((a, b) => a - b)
      return {
        "req/s": times.length / seconds,
        "p50 ms": percentile(sorted, 0.5),
        "p99 ms": percentile(sorted, 0.99),
        "CPU ms": cpu / answers * 1000,
        ...atMost(cpu / answers)
      }
    }

    const cases: ReadonlyArray<Case> = [
      { name: alone, run: (seconds) => hashes(argon2, seconds) },
      { name: most, run: (seconds) => hashes(mostArgon2, seconds) },
      {
        name: overHttp,
        run: async (seconds) => {
          const { tenant } = await bench.anyRoomkey()
          return logins(await bench.argon2Http(), "/api/auth/token", bodiesOf(tenant), seconds)
        }
      },
      {
        name: overPg,
        run: async (seconds) => {
          const { tenant } = await bench.anyRoomkey()
          return logins(await bench.argon2Pg(), "/api/auth/token", bodiesOf(tenant), seconds)
        }
      },
      {
        name: apart,
        run: async (seconds) => {
          const { server, sessions } = await bench.nodeHttp()
          const settle = settled()
          const idle = await reads("me idle", server, meCall(sessions), seconds / 2)
          const [busy] = await Promise.all([
            reads("me", server, meCall(sessions), seconds, settle),
            niceArgon2.ask({ seconds, settle })
          ])
          return { ...idle, ...busy }
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
    const bound = (subject: string) => ({ subject, column: "at most/s" })
    const waits = (subject: string) => ({
      of: { subject, column: "me p99 ms" },
      to: { subject, column: "me idle p99 ms" }
    })
    return measured(await bench.rounds(cases), [
      { of: rate(onNode), to: rate(most), target: "≥ 0.95" },
      { of: bound(onNode), to: rate(most) },
      { of: rate(onNode), to: rate(alone) },
      { of: rate(overHttp), to: rate(most) },
      { of: rate(onNode), to: rate(overHttp) },
      { of: rate(overPg), to: rate(most) },
      { of: rate(onNode), to: rate(overPg) },
      ...bench.variants.slice(1).map(({ name }) => ({ of: rate(name), to: rate(most) })),
      { of: rate(fastify), to: rate(most) },
      { of: bound(fastify), to: rate(most) },
      { of: rate(onNode), to: rate(fastify) },
      { ...waits(onNode), target: "≤ 3" },
      waits(apart),
      waits(fastify)
    ], ["Better Auth hashes by scrypt, so its rate says how dear its hash is, not how fast its code."])
  }
}
