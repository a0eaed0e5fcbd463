// The hottest read: who does this token sign in.
import { meCall, onNode } from "../Bench.ts"
import { type Call, measureCall, request, type Target } from "../Load.ts"
import type { Case } from "../Report.ts"
import { measured, type Work } from "./Work.ts"

const bare = "bare node:http, Map"
const fastify = "Fastify + pg"
const bearer = "Better Auth, bearer"
const cookie = "Better Auth, cookie cache"

const getSession = (header: string) => `GET /api/auth/get-session HTTP/1.1\r\nHost: 127.0.0.1\r\n${header}\r\n\r\n`

export const me: Work = {
  name: "me",
  title: "GET /api/me; get-session of Better Auth",
  run: async (bench) => {
    await bench.ready(
      ...bench.variants.map(({ embedded, runtime }) => () => bench.roomkey(runtime, embedded)),
      bench.nodeHttp,
      bench.fastify,
      bench.betterAuth
    )
    /** Of sessions that were read a moment ago, as those of traffic that never pauses were. */
    const measure = async (server: Target, call: Call, seconds: number) => {
      await bench.load.each(server, call.requests)
      return measureCall(bench.load, server, () => call, seconds)
    }
    const cases: ReadonlyArray<Case> = [
      {
        name: bare,
        run: async (seconds) => {
          const { server, sessions } = await bench.nodeHttp()
          return measure(server, meCall(sessions), seconds)
        }
      },
      ...bench.variants.map(({ embedded, name, runtime }): Case => ({
        name,
        run: async (seconds) => {
          const { server, sessions } = await bench.roomkey(runtime, embedded)
          return measure(server, meCall(sessions), seconds)
        }
      })),
      {
        name: fastify,
        run: async (seconds) => {
          const { server, sessions } = await bench.fastify()
          return measure(server, meCall(sessions), seconds)
        }
      },
      {
        name: bearer,
        run: async (seconds) => {
          const { server, sessions } = await bench.betterAuth()
          const requests = sessions.map(({ token }) => request("GET", "/api/auth/get-session", token))
          return measure(server, { requests, status: 200 }, seconds)
        }
      },
      {
        name: cookie,
        run: async (seconds) => {
          const { server, sessions } = await bench.betterAuth()
          const requests = sessions.map(({ cookie }) => getSession(`Cookie: ${cookie}`))
          return measure(server, { requests, status: 200 }, seconds)
        }
      }
    ]
    const rate = (subject: string) => ({ subject, column: "req/s" })
    return measured(await bench.slices(4, cases), [
      { of: rate(onNode), to: rate(bare), target: "≥ 0.80" },
      ...bench.variants.slice(1).map(({ name }) => ({ of: rate(name), to: rate(bare) })),
      { of: rate(onNode), to: rate(fastify), target: "≥ 3" },
      { of: rate(onNode), to: rate(bearer), target: "≥ 15" },
      { of: rate(onNode), to: rate(cookie) }
    ])
  }
}
