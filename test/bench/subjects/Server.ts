// A server in a process of its own that says where it listens.
import { fileURLToPath } from "node:url"
import { Service } from "../../e2e/support/Process.ts"
import type { Target } from "../Load.ts"
import { guard } from "../Processes.ts"

export interface Server extends Target, AsyncDisposable {
  readonly url: string
  readonly output: () => string
}

export type Environment = Readonly<Record<string, string>>

/** Milliseconds in which a subject must listen; one that hangs costs its own rows and no more. */
const patience = 60_000

export const startServer = async (
  argv: ReadonlyArray<string>,
  env: Environment,
  postmaster?: number,
  cwd?: string
): Promise<Server> => {
  const service = new Service(argv, env, cwd)
  const kill = () => process.kill(service.pid, "SIGKILL")
  guard(service.pid, service.exited)
  const timer = setTimeout(kill, patience)
  try {
    const [, port] = await service.waitFor(/Listening on http:\/\/[^\s"]*:(\d+)/)
    return {
      url: `http://127.0.0.1:${port}`,
      port: Number(port),
      pid: service.pid,
      postmaster,
      output: () => service.output,
      [Symbol.asyncDispose]: async () => {
        if (!service.running) return
        const slow = setTimeout(kill, 15_000)
        await service.signal("SIGTERM")
        clearTimeout(slow)
      }
    }
  } catch (error) {
    await service[Symbol.asyncDispose]()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** A server of this folder, on Node unless told otherwise. */
export const startModule = (
  module: string,
  args: ReadonlyArray<string>,
  env: Environment,
  postmaster?: number,
  command: ReadonlyArray<string> = [process.execPath]
): Promise<Server> =>
  startServer(
    [...command, fileURLToPath(new URL(module, import.meta.url)), ...args],
    { NODE_ENV: "production", ...env },
    postmaster
  )
