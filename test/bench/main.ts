// `npm run bench`: Roomkey beside what bounds it and what others would run, in one run. See README.md in this folder.
import { availableParallelism, cpus, loadavg } from "node:os"
import { parseArgs } from "node:util"
import { Bench } from "./Bench.ts"
import { messageOf, print, printTargets, type Result, toJson } from "./Report.ts"
import { versions } from "./subjects/Peers.ts"
import { boot } from "./works/Boot.ts"
import { growth } from "./works/Growth.ts"
import { handshake } from "./works/Handshake.ts"
import { idleSockets } from "./works/IdleSockets.ts"
import { me } from "./works/Me.ts"
import { password } from "./works/Password.ts"
import { refresh } from "./works/Refresh.ts"
import { broadcast, relay } from "./works/Relay.ts"
import { signIn } from "./works/SignIn.ts"
import type { Work } from "./works/Work.ts"

const works: ReadonlyArray<Work> = [
  me,
  signIn,
  refresh,
  password,
  handshake,
  idleSockets,
  relay,
  broadcast,
  boot,
  growth
]

/** Takes minutes to set up, so it is run when it is asked for. */
const onlyIfAsked = [growth]

const usage = `npm run bench -- [WORK…] [OPTIONS]

works: ${works.map(({ name }) => name).join(", ")}; all but ${onlyIfAsked.map(({ name }) => name).join(", ")} by default
       isolation (by itself): what a flood of logins at one tenant does to the logins of another
       rooms (by itself): how long a signal takes in one instance and over two, what a full channel costs

  --rounds N             rounds of each subject (5)
  --seconds N            seconds of a subject in a round (3)
  --smoke                everything for a moment, to see that it runs; the figures say nothing
  --json                 one JSON document of every round instead of tables
  --database-url URL     a PostgreSQL server where databases may be made, instead of one of the run's own
  --no-deno              Roomkey on Node alone
  --eager-load           the load takes the processor from the server whenever it is answered
  --peers DIR            where the peers' packages are installed already; --no-peers: without them
  --growth               also the work "growth", with --growth-users N (1000000) and --growth-sessions N (10000000)
`

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: "boolean", short: "h", default: false },
    smoke: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    rounds: { type: "string" },
    seconds: { type: "string" },
    "database-url": { type: "string" },
    peers: { type: "string" },
    "no-peers": { type: "boolean", default: false },
    "no-deno": { type: "boolean", default: false },
    "eager-load": { type: "boolean", default: false },
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

const run = async (): Promise<void> => {
  const chosen = works.filter((work) =>
    positionals.length > 0
      ? positionals.includes(work.name)
      : !onlyIfAsked.includes(work) || values.smoke || work === growth && values.growth
  )
  const loadBefore = loadavg()
  const results: Array<Result> = []
  await using bench = new Bench({
    smoke: values.smoke,
    rounds: number(values.rounds, values.smoke ? 1 : 5),
    seconds: number(values.seconds, values.smoke ? 0.3 : 3),
    databaseUrl: values["database-url"] || process.env["TEST_DATABASE_URL"] || undefined,
    peers: values["no-peers"] || values.smoke && values.peers === undefined ? false : values.peers,
    deno: !values["no-deno"],
    loadGivesWay: !values["eager-load"],
    growthUsers: number(values["growth-users"], 0),
    growthSessions: number(values["growth-sessions"], 0)
  }, log)
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void bench[Symbol.asyncDispose]().finally(() => process.exit(130)))
  }
  const [server] = await bench.postgres().then((postgres) => postgres.query("show server_version"), () => [])
  const machine = {
    processors: availableParallelism(),
    model: cpus()[0]?.model ?? "unknown",
    load_before: loadBefore,
    node: process.versions.node,
    postgres: server?.[0] ?? null,
    peers: versions,
    rounds: bench.options.rounds,
    seconds: bench.options.seconds,
    smoke: bench.options.smoke
  }
  if (!values.json) {
    console.log(
      `${machine.processors} × ${machine.model}, load ${loadBefore.map((load) => load.toFixed(1)).join(" ")} before; ` +
        `Node ${machine.node}, PostgreSQL ${
          machine.postgres ?? "not to be had"
        }; medians of ${machine.rounds} rounds or four times as many`
    )
  }
  for (const work of chosen) {
    log(`measuring ${work.name}`)
    const found = await work.run(bench).catch((error: unknown) => ({
      rows: [],
      ratios: [],
      notes: [`not measured: ${messageOf(error)}`],
      failed: true
    }))
    const result = { work: work.name, title: work.title, ...found }
    results.push(result)
    if (!values.json) console.log(print(result))
  }
  const broken = results.filter(({ failed, rows }) => failed === true || rows.some((row) => row.failed))
  if (values.smoke && broken.length > 0) {
    log(`did not run: ${broken.map(({ work }) => work).join(", ")}`)
    process.exitCode = 1
  }
  if (values.json) console.log(JSON.stringify({ machine, works: results.map(toJson) }, undefined, 2))
  else if (results.some(({ ratios }) => ratios.some(({ target }) => target !== undefined))) {
    console.log(`\n## What was hoped for\n\n${printTargets(results)}`)
  }
}

/** Without ratios, and so each by itself. */
const apart = ["isolation", "rooms"]
const unknown = positionals.filter((name) => !apart.includes(name) && works.every((work) => work.name !== name))
if (values.help || unknown.length > 0) {
  console.log(usage)
  process.exitCode = values.help ? 0 : 2
} else if (positionals.includes("isolation")) await import("./TenantIsolation.ts")
else if (positionals.includes("rooms")) await import("./Rooms.ts")
else await run()
