// The command line in this process: typed arguments, an environment and a terminal of its own, and what it said.
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import {
  ConfigProvider,
  Console,
  Effect,
  Layer,
  Option,
  PlatformError,
  Queue,
  Sink,
  Stdio,
  Stream,
  Terminal
} from "effect"
import { run, teardown } from "../../src/cli/Roomkey.ts"

export interface Said {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read documents as a script would
  readonly json: any
}

export interface Given {
  readonly env?: Record<string, string>
  readonly stdin?: string
  /** What writing to standard output fails with. */
  readonly stdoutFails?: string
  /** What is typed where a question is asked; with it, all three streams are a terminal. */
  readonly keys?: string
}

const key = (input: string): Terminal.UserInput => ({
  input: Option.some(input),
  key: { name: input === "\n" ? "return" : input, ctrl: false, meta: false, shift: false }
})

const failure = (code: string) =>
  PlatformError.systemError({ _tag: "Unknown", module: "Stdio", method: "stdout", cause: { code } })

/** A program that reads its arguments from nowhere else, so that what is in them is all that `ps` shows. */
export const roomkey = Effect.fnUntraced(function* (args: ReadonlyArray<string>, given: Given = {}) {
  const said = { stdout: "", stderr: "" }
  const decoder = new TextDecoder()
  const sink = (name: keyof typeof said) => () =>
    Sink.forEach((chunk: string | Uint8Array) =>
      Effect.sync(() => {
        said[name] += typeof chunk === "string" ? chunk : decoder.decode(chunk)
      })
    )
  const isTerminal = Effect.succeed(given.keys !== undefined)
  const stdio = Stdio.make({
    args: Effect.succeed(args),
    stdin: Stream.succeed(new TextEncoder().encode(given.stdin ?? "")),
    stdout: given.stdoutFails === undefined ? sink("stdout") : () => Sink.fail(failure(given.stdoutFails!)),
    stderr: sink("stderr"),
    stdinIsTerminal: isTerminal,
    stdoutIsTerminal: isTerminal,
    stderrIsTerminal: isTerminal
  })
  const typed = yield* Queue.unbounded<Terminal.UserInput>()
  for (const input of given.keys ?? "") yield* Queue.offer(typed, key(input))
  const terminal = Terminal.make({
    columns: Effect.succeed(80),
    rows: Effect.succeed(24),
    size: Effect.die("unused"),
    readInput: Effect.succeed(typed as Queue.Dequeue<Terminal.UserInput, never>),
    readLine: Effect.die("unused"),
    display: (text) =>
      Effect.sync(() => {
        said.stdout += text
      })
  })
  const console: Console.Console = Object.assign(Object.create(globalThis.console), {
    log: (text: string) => said.stdout += `${text}\n`,
    error: (text: string) => said.stderr += `${text}\n`
  })
  const exit = yield* run(args).pipe(
    Effect.provideService(Stdio.Stdio, stdio),
    Effect.provideService(Terminal.Terminal, terminal),
    Effect.provideService(Console.Console, console),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: given.env ?? {} })),
    Effect.exit
  )
  let code = -1
  teardown(args)(exit, (status) => code = status)
  return {
    ...said,
    code,
    get json() {
      return JSON.parse(said.stdout)
    }
  } as Said
})

export const layer = Layer.merge(NodeServices.layer, NodeHttpClient.layerNodeHttpOptions({ keepAlive: true }))
