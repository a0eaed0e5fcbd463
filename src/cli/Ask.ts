// What a command asks whoever runs it: whether to destroy, and for a password. Both only where somebody can answer.
import { Effect, Redacted, Schema, Stdio, Stream } from "effect"
import { Flag, Prompt } from "effect/cli"
import { fieldErrors } from "../api/Problems.ts"
import { Password } from "../domain/Password.ts"

export const yes = Flag.Boolean("yes").pipe(
  Flag.withAlias("y"),
  Flag.withDescription("Do not ask for confirmation"),
  Flag.withDefault(false)
)

export class NotConfirmed extends Schema.TaggedError<NotConfirmed>()("NotConfirmed", { message: Schema.String }) {}

export class NoPassword extends Schema.TaggedError<NoPassword>()("NoPassword", { message: Schema.String }) {}

const toPassword = (text: string) =>
  Schema.decodeEffect(Password)(text).pipe(
    Effect.mapError(({ issue }) => new NoPassword({ message: `password: ${fieldErrors(issue)[0]!.message}` }))
  )

const onTerminal = Stdio.Stdio.use((stdio) =>
  Effect.zipWith(stdio.stdinIsTerminal, stdio.stdoutIsTerminal, (stdin, stdout) => stdin && stdout)
)

/** Asks before `what` is done for good. */
export const confirm = Effect.fnUntraced(function* (what: string, options: { readonly yes: boolean }) {
  if (options.yes) return
  if (!(yield* onTerminal)) {
    return yield* new NotConfirmed({ message: "not done: add --yes where nobody can be asked" })
  }
  if (!(yield* Prompt.run(Prompt.Confirm({ message: what })))) return yield* new NotConfirmed({ message: "not done" })
})

/** A password typed twice, unseen. */
export const askPassword = Effect.gen(function* () {
  if (!(yield* onTerminal)) {
    return yield* new NoPassword({ message: "no password: use --password-stdin where nobody can be asked" })
  }
  const password = yield* Prompt.run(Prompt.Hidden({ message: "Password" }))
  const again = yield* Prompt.run(Prompt.Hidden({ message: "Once more" }))
  if (Redacted.value(password) !== Redacted.value(again)) {
    return yield* new NoPassword({ message: "the two passwords differ" })
  }
  return yield* toPassword(Redacted.value(password))
})

/** All of standard input but the line break at its end, which `echo` adds. */
export const readPassword = Stdio.Stdio.use(({ stdin }) =>
  stdin.pipe(
    Stream.decodeText,
    Stream.mkString,
    Effect.flatMap((text) => toPassword(text.replace(/\r?\n$/, "")))
  )
)
