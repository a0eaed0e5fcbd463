// `npm run bench`: Roomkey beside what bounds it and what others would run, in one run. See README.md in this folder.
import { availableParallelism, cpus, loadavg } from "node:os"
import { parseArgs } from "node:util"
import { Bench } from "./Bench.ts"
import { messageOf, print, printRatios, type Result, toJson } from "./Report.ts"
import { versions } from "./subjects/Peers.ts"
import { me } from "./works/Me.ts"
import { password } from "./works/Password.ts"
import { refresh } from "./works/Refresh.ts"
import { signIn } from "./works/SignIn.ts"
import type { Work } from "./works/Work.ts"

const works: ReadonlyArray<Work> = [me, signIn, refresh, password]

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    smoke: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    rounds: { type: "string" },
    seconds: { type: "string" },
    "database-url": { type: "string" },
    peers: { type: "string" },
    "no-peers": { type: "boolean", default: false },
    growth: { type: "boolean", default: false },
    "growth-users": { type: "string", default: "1000000" },
    "growth-sessions": { type: "string", default: "10000000" }
  }
})

const number = (text: string | undefined, byDefault: number): number => {
  const value = text === undefined ? byDefault : Number(text)
  if (!(value > 0)) throw new Error(`a positive number, not ${text}`)
  return value
}

const log = (text: string) => process.stderr.write(`${text}\n`)

const chosen = works.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
const results: Array<Result> = []
const before = loadavg()
{
  await using bench = new Bench({
    smoke: values.smoke,
    rounds: number(values.rounds, values.smoke ? 1 : 5),
    seconds: number(values.seconds, values.smoke ? 0.4 : 3),
    databaseUrl: values["database-url"] ?? process.env["TEST_DATABASE_URL"],
    peers: values["no-peers"] || values.smoke && values.peers === undefined ? false : values.peers,
    growthUsers: number(values["growth-users"], 0),
    growthSessions: number(values["growth-sessions"], 0)
  }, log)
  for (const work of chosen) {
    log(`measuring ${work.name}`)
    const result = { work: work.name, title: work.title, ...await work.run(bench) }
    results.push(result)
    if (!values.json) console.log(print(result))
  }
}
