// The command line as a whole: what is typed, what is said when it fails, and with which code it ends.
import { Cause, Console, Effect, Exit, FileSystem, Path, Predicate, Runtime, Schema } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { teardown as instanceTeardown } from "../server/Teardown.ts"
import { key } from "./Key.ts"
import { migrate } from "./Migrate.ts"
import * as Output from "./Output.ts"
import { serve } from "./Serve.ts"
import { session } from "./Session.ts"
import { tenant } from "./Tenant.ts"
import { user } from "./User.ts"

declare global {
  // Every runtime has it; the types that `deno check` is given here do not.
  interface ImportMeta {
    url: string
  }
}

const roomkey = Command.make("roomkey").pipe(
  Command.withDescription("Roomkey: an instance, and what its operator and its tenants do with one that runs"),
  Command.withSubcommands([serve, migrate, tenant, key, user, session])
)

const readVersion = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = yield* path.fromFileUrl(new URL("../../package.json", import.meta.url))
  const { version } = yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Struct({ version: Schema.String })))(
    yield* files.readFileString(file)
  )
  return version
}).pipe(Effect.orDie)

/** What was typed is not repeated where it may be a secret that went to the wrong place. */
const wrong = (error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "InvalidValue": {
      const name = error.kind === "flag" ? `--${error.option}` : `<${error.option}>`
      return `Invalid value for ${name}: ${error.expected.replace(/^(?:Expected: )?Schema validation failed: /, "")}`
    }
    case "UnexpectedArgument":
      return "Unexpected positional argument"
    default:
      return error.message
  }
}

/** Help on standard output is what was asked for; what is wrong is told in a line or two on standard error. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(
        [
          ...event.errors.map((error) => `roomkey: ${Output.visible(wrong(error))}`),
          `Try: ${event.commandPath.join(" ")} --help`
        ].join("\n")
      )
      : CliOutput.defaultPresenter.present(event)
}

/** `LOG_LEVEL` sets the log level. */
const cliConfig = CliConfig.make({
  builtIns: GlobalFlag.BuiltIns.filter((builtIn) => builtIn !== GlobalFlag.LogLevel)
})

/** A line for what can be expected to fail; whole for a bug. Usage errors have been told by the presenter. */
const tell = (cause: Cause.Cause<unknown>) => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void
  if (Cause.hasDies(cause)) return Console.error(Cause.pretty(cause))
  const error = Cause.squash(cause)
  if (CliError.isCliError(error)) return Effect.void
  const message = Predicate.hasProperty(error, "message") ? String(error.message) : String(error)
  const code = Predicate.hasProperty(error, "cause") ? Output.errorCode(error.cause) : undefined
  const line = message.replaceAll(/\s*\n\s*/g, " ") + (code === undefined ? "" : ` (${code})`)
  return Console.error(`roomkey: ${Output.visible(line)}`)
}

export const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const version = yield* readVersion
  yield* Command.runWith(roomkey, { version })(args).pipe(
    Effect.tapCause(tell),
    Effect.provideService(CliOutput.Presenter, presenter),
    Effect.provideService(CliConfig.CliConfig, cliConfig)
  )
})

const isUsageError = (error: unknown): boolean =>
  CliError.isCliError(error) && (error._tag !== "ShowHelp" || error.errors.length > 0)

/** 0 done, 1 refused or failed, 2 typed wrongly, 130 interrupted; `serve` ends as an instance does. */
export const teardown = (args: ReadonlyArray<string>): Runtime.Teardown => (exit, onExit) => {
  if (args.find((arg) => !arg.startsWith("-")) === "serve") return instanceTeardown(exit, onExit)
  if (Exit.isFailure(exit) && isUsageError(Cause.squash(exit.cause))) return onExit(2)
  return Runtime.defaultTeardown(exit, onExit)
}
