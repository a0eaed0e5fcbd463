// The PostgreSQL server that a run measures on: one of its own with the durability of production, or the one it is given.
// Each subject has a database of its own on it, gone at the end.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { root } from "../e2e/support/Process.ts"
import { percentile } from "./LoadJob.ts"
import { cpuOf, cpuOfFamily, giveWay, output, parentOf } from "./Processes.ts"
import type { Sample } from "./Report.ts"

/** Debian's folder of the newest version, else whatever PATH finds. */
const program = (name: string): string => {
  const version = (path: string) => Number(/postgresql\/(\d+)/.exec(path)?.[1] ?? 0)
  return globSync(`/usr/lib/postgresql/*/bin/${name}`).sort((a, b) => version(a) - version(b)).at(-1) ?? name
}

export interface PgbenchJob {
  readonly database: string
  readonly clients: number
  readonly seconds: number
  /** A script in pgbench's language. */
  readonly script: string
}

export class Postgres implements AsyncDisposable {
  readonly #url: string
  readonly #dir: string | undefined
  readonly #givesWay: boolean
  readonly #databases: Array<string> = []
  readonly #prefix = `bench_${process.pid}`
  /** Unknown when the server is on another machine: then nothing tells what it costs. */
  postmaster: number | undefined

  private constructor(url: string, dir: string | undefined, givesWay: boolean) {
    this.#url = url
    this.#dir = dir
    this.#givesWay = givesWay
  }

  /** On the server of `given`, or on one that is started for this run. Whether pgbench gives way, as other load does. */
  static async start(given: string | undefined, givesWay: boolean): Promise<Postgres> {
    let postgres: Postgres
    if (given === undefined) {
      const dir = mkdtempSync(join(tmpdir(), "roomkey-bench-pg-"))
      // The server may run as another user, who has to get through.
      chmodSync(dir, 0o755)
      const url = await output(join(root, ".ci/postgres"), ["start", join(dir, "server")]).catch((error: unknown) => {
        rmSync(dir, { recursive: true, force: true })
        throw error
      })
      postgres = new Postgres(url.trim(), dir, givesWay)
    } else {
      postgres = new Postgres(given, undefined, givesWay)
    }
    const { hostname } = new URL(postgres.#url)
    if (["127.0.0.1", "localhost", "::1", ""].includes(hostname)) {
      postgres.postmaster = await postgres.#findPostmaster()
    }
    return postgres
  }

  /** A backend is a child of the postmaster. */
  async #findPostmaster(): Promise<number | undefined> {
    const psql = spawn(program("psql"), ["-XAtq", this.#url], { stdio: ["pipe", "pipe", "inherit"] })
    psql.stdout.setEncoding("utf8")
    psql.stdin.write("select pg_backend_pid();\n")
    const [pid] = await once(psql.stdout, "data")
    const parent = parentOf(Number(pid))
    const name = existsSync(`/proc/${parent}/comm`) ? readFileSync(`/proc/${parent}/comm`, "utf8").trim() : ""
    psql.stdin.end()
    await once(psql, "close")
    return name.startsWith("postgres") ? parent : undefined
  }

  urlOf(database: string): string {
    const url = new URL(this.#url)
    url.pathname = `/${database}`
    return url.href
  }

  /** A new and empty database. */
  async createDatabase(name: string): Promise<string> {
    const database = `${this.#prefix}_${name}`
    await this.query(`create database "${database}"`)
    this.#databases.push(database)
    return database
  }

  async query(sql: string, database?: string): Promise<ReadonlyArray<ReadonlyArray<string>>> {
    const url = database === undefined ? this.#url : this.urlOf(database)
    const text = await output(program("psql"), ["-XAtq", "-v", "ON_ERROR_STOP=1", "-F", "\t", url], { input: sql })
    return text.split("\n").filter((line) => line !== "").map((line) => line.split("\t"))
  }

  /** So that no round pays for what the set-up left behind. */
  async settle(database: string): Promise<void> {
    await this.query("vacuum analyze", database)
    // Not everybody may ask for one.
    await this.query("checkpoint", database).catch(() => undefined)
  }

  async pgbench({ clients, database, script, seconds }: PgbenchJob): Promise<Sample> {
    const dir = mkdtempSync(join(tmpdir(), "roomkey-bench-pgbench-"))
    try {
      writeFileSync(join(dir, "script.sql"), script)
      const before = this.postmaster === undefined ? undefined : cpuOfFamily(this.postmaster)
      // It counts in whole seconds, and the time in which it connects.
      const until = seconds < 1
        ? ["-t", String(Math.ceil(seconds * 100))]
        : ["-T", String(Math.round(seconds) + 1 + Math.ceil(clients / 16))]
      const how = `-n -M prepared -c ${clients} -j 1 -f script.sql -l`.split(" ")
      const child = spawn(program("pgbench"), [...how, ...until, this.urlOf(database)], {
        cwd: dir,
        stdio: ["ignore", "ignore", "pipe"]
      })
      if (this.#givesWay && child.pid !== undefined) giveWay(child.pid)
      let stderr = ""
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => stderr += chunk)
      let own = 0
      const watch = setInterval(() => own = cpuOf(child.pid!) || own, 50)
      const [code] = await once(child, "close")
      clearInterval(watch)
      // Backends end a moment after pgbench does, and one that is ending may be seen neither as a child nor as a past one.
      await setTimeout(200)
      if (code !== 0) throw new Error(`pgbench ended with ${code}: ${stderr.trim().slice(-300)}`)
      const after = this.postmaster === undefined ? undefined : cpuOfFamily(this.postmaster)
      const lines = readdirSync(dir).filter((name) => name.startsWith("pgbench_log")).flatMap((name) =>
        readFileSync(join(dir, name), "latin1").split("\n").filter((line) => line !== "").map((line) => line.split(" "))
      )
      if (lines.length === 0) throw new Error("pgbench did nothing in its time")
      const times = Float64Array.from(lines.map((fields) => Number(fields[2]) / 1000)).sort()
      const ends = lines.map((fields) => Number(fields[4]) + Number(fields[5]) / 1e6)
      const first = ends.reduce((least, end, n) => Math.min(least, end - Number(lines[n]![2]) / 1e6), Infinity)
      const elapsed = ends.reduce((most, end) => Math.max(most, end), 0) - first
      return {
        "req/s": times.length / elapsed,
        "p50 ms": percentile(times, 0.5),
        "p99 ms": percentile(times, 0.99),
        ...(before === undefined || after === undefined ? {} : { "PG µs": (after - before) / times.length * 1e6 }),
        "load CPU %": own / elapsed * 100
      }
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#dir !== undefined) {
      await output(join(root, ".ci/postgres"), ["stop", join(this.#dir, "server")])
      rmSync(this.#dir, { recursive: true, force: true })
      return
    }
    for (const database of this.#databases) await this.query(`drop database if exists "${database}" with (force)`)
  }
}

/** A statement's `$n` for pgbench, whose variables are numbers: each becomes an expression over them. */
export const forPgbench = (statement: string, parameters: ReadonlyArray<string>): string =>
  `${
    statement.trim().replaceAll(/\$(\d+)/g, (_, n: string) => {
      const parameter = parameters[Number(n) - 1]
      if (parameter === undefined) throw new Error(`no expression for $${n}`)
      return `(${parameter})`
    })
  };\n`
