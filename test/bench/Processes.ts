// Processes that a benchmark starts, and what they cost by the kernel's own account (/proc, so on Linux only).
import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** In `stat` Linux reports processor time in hundredths of a second, whatever the kernel counts in. */
const ticksPerSecond = 100

const stat = (
  pid: number
): { readonly parent: number; readonly own: number; readonly children: number } | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1")
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number)
    return {
      parent: fields[1]!,
      own: (fields[11]! + fields[12]!) / ticksPerSecond,
      children: (fields[13]! + fields[14]!) / ticksPerSecond
    }
  } catch {
    return undefined
  }
}

export const parentOf = (pid: number): number => stat(pid)?.parent ?? 0

/** Seconds of processor time that a process has used so far, all its threads together. */
export const cpuOf = (pid: number): number => stat(pid)?.own ?? NaN

/** The same to the nanosecond, by thread: in a short turn the steps above would be a good part of what is measured. */
export const cpuByThread = (pid: number): ReadonlyMap<string, number> => {
  const threads = new Map<string, number>()
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const path = `/proc/${pid}/task/${thread}/schedstat`
    // One that ended meanwhile had done nothing for seconds.
    if (existsSync(path)) threads.set(thread, Number(readFileSync(path, "latin1").split(" ")[0]) / 1e9)
  }
  return threads
}

/** What a process used since `before`. */
export const cpuSince = (pid: number, before: ReadonlyMap<string, number>): number =>
  [...cpuByThread(pid)].reduce((sum, [thread, used]) => sum + used - (before.get(thread) ?? 0), 0)

/** That of a process with its children, those that have ended too. */
export const cpuOfFamily = (pid: number): number => {
  const parent = stat(pid)
  if (parent === undefined) return NaN
  let sum = parent.own + parent.children
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue
    const child = stat(Number(name))
    if (child?.parent === pid) sum += child.own
  }
  return sum
}

/**
 * From now on the process, when it wakes, interrupts nobody who is running (SCHED_BATCH, sched(7)). Load that comes from
 * elsewhere could not either; on the machine of the server it would, with each answer that it is sent.
 */
export const giveWay = (pid: number): void => {
  execFileSync("chrt", ["--batch", "--all-tasks", "--pid", "0", `${pid}`])
}

/** Bytes of memory that are the process's own: what its end would give back. */
export const memoryOf = (pid: number): number => {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1")
  const kib = [...text.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB/gm)].reduce((sum, [, n]) => sum + Number(n), 0)
  return kib * 1024
}

/** Output of a program that must end well. */
export const output = async (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly input?: string } = {}
): Promise<string> => {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ["pipe", "pipe", "pipe"]
  })
  let [stdout, stderr] = ["", ""]
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => stdout += chunk)
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => stderr += chunk)
  child.stdin.on("error", () => undefined).end(options.input ?? "")
  const [code] = await once(child, "close")
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${(stderr || stdout).trim().slice(-400)}`)
  return stdout
}

const alive = new Set<number>()
process.on("exit", () => {
  for (const pid of alive) process.kill(pid, "SIGKILL")
})

/** Not left behind, however this process ends. */
export const guard = (pid: number, exited: Promise<unknown>): void => {
  alive.add(pid)
  const gone = () => alive.delete(pid)
  exited.then(gone, gone)
}

/** A process of this folder that answers one message by one message. */
export class Worker implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #exited: Promise<never>

  constructor(module: string, args: ReadonlyArray<string> = [], env: NodeJS.ProcessEnv = {}) {
    this.#child = fork(fileURLToPath(new URL(module, import.meta.url)), args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      execArgv: ["--max-semi-space-size=64"]
    })
    this.#exited = once(this.#child, "exit").then(([code, signal]) =>
      Promise.reject(new Error(`${module} ended with ${code ?? signal}`))
    )
    this.#exited.catch(() => undefined)
    guard(this.#child.pid!, this.#exited)
  }

  get pid(): number {
    return this.#child.pid!
  }

  ask<A>(message: object): Promise<A> {
    return new Promise((resolve, reject) => {
      const heard = (answer: unknown) => resolve(answer as A)
      const failed = (error: unknown) => {
        this.#child.off("message", heard)
        reject(error)
      }
      this.#child.once("message", heard)
      this.#exited.catch(failed)
      this.#child.send(message, (error) => {
        if (error !== null) failed(error)
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill("SIGKILL")
    await once(this.#child, "exit")
  }
}
