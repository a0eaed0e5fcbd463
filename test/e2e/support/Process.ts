// The service as a process of its own, under the runtime that ROOMKEY_E2E_RUNTIME names (else the one that runs the
// tests). Everything waits for events: a line of output, an answer, an exit.
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../../", import.meta.url))

export const nodePath = join(root, "node_modules/node/bin/node")

export const runtime = process.env["ROOMKEY_E2E_RUNTIME"] ?? ("deno" in process.versions ? "deno" : "node")

export const adminKey = `vc_admin_${"0".repeat(64)}`

type Script = "start" | "roomkey"

/** What `npm start`, or another script, runs, read from package.json. */
export const nodeCommand = (script: Script = "start"): Array<string> => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Readonly<Record<Script, string>>
  }
  const [exec, node, ...rest] = scripts[script].split(" ")
  if (exec !== "exec" || node !== "node") throw new Error(`The script ${script} does not start with exec node`)
  return ["deno" in process.versions ? nodePath : process.execPath, ...rest]
}

/** What `deno task start` runs, read from deno.json: the permissions are tested as they are shipped. */
export const denoCommand = (dataDir: string): Array<string> => {
  const { tasks } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8")) as { tasks: { start: string } }
  const run = /\S+deno run .*$/.exec(tasks.start)
  if (run === null) throw new Error("deno.json has no task that starts with deno run")
  return run[0].replaceAll('"', "").replaceAll("$DATA_DIR", dataDir).split(" ")
}

const command = (env: Environment): Array<string> => {
  switch (runtime) {
    case "node":
      return nodeCommand()
    case "deno":
      return denoCommand(env["DATA_DIR"] ?? ".roomkey")
    default:
      throw new Error(`ROOMKEY_E2E_RUNTIME is node or deno, not ${runtime}`)
  }
}

export type Environment = Readonly<Record<string, string>>

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A running process; killed, if it still runs, where its `await using` ends. */
export class Service implements AsyncDisposable {
  readonly exited: Promise<Exit>
  /** Where it listens, once it said so. */
  url = ""
  #output = ""
  readonly #child: ChildProcess

  constructor(argv: ReadonlyArray<string>, env: Environment, cwd = root) {
    this.#child = spawn(argv[0]!, argv.slice(1), {
      cwd,
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    const collect = (chunk: string) => {
      this.#output += chunk
      this.#child.emit("output")
    }
    this.#child.stdout!.setEncoding("utf8").on("data", collect)
    this.#child.stderr!.setEncoding("utf8").on("data", collect)
    // "close" comes after the last of the output.
    this.exited = once(this.#child, "close").then(([code, signal]) => {
      this.#child.emit("output")
      return { code, signal }
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  get output(): string {
    return this.#output
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The first match of `pattern` in the output; fails when the process ends without one. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(this.#output)
        if (found === null && this.running) return
        this.#child.off("output", look)
        if (found !== null) resolve(found)
        else reject(new Error(`ended before ${pattern}:\n${this.#output}`))
      }
      this.#child.on("output", look)
      look()
    })
  }

  signal(signal: NodeJS.Signals): Promise<Exit> {
    this.#child.kill(signal)
    return this.exited
  }

  /** It runs on, and does nothing. */
  freeze(): void {
    this.#child.kill("SIGSTOP")
  }

  thaw(): void {
    this.#child.kill("SIGCONT")
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.running) await this.signal("SIGKILL")
  }
}

/** Started, and not waited for. The port is any free one unless `env` names it. */
export const launch = (env: Environment): Service => {
  const full = { HOST: "127.0.0.1", PORT: "0", ARGON2_MEMORY_KIB: "64", ARGON2_ITERATIONS: "1", ...env }
  return new Service(command(full), full)
}

/** Started, and listening. */
export const start = async (env: Environment): Promise<Service> => {
  const service = launch(env)
  try {
    const [, port] = await service.waitFor(/Listening on http:\/\/[^\s"]*:(\d+)/)
    service.url = `http://127.0.0.1:${port}`
    return service
  } catch (error) {
    await service[Symbol.asyncDispose]()
    throw error
  }
}

/** A directory of a test's own, gone with all that is in it where its `using` ends. */
export const tempDir = (): Disposable & { readonly path: string } => {
  const path = mkdtempSync(join(tmpdir(), "roomkey-e2e-"))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) }
}

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  return typeof address === "object" && address !== null ? address.port : 0
}
