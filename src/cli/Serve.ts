// `roomkey serve`: the instance itself, as `npm start` starts it.
import { Effect } from "effect"
import { Command } from "effect/cli"

export const serve = Command.make("serve", {}, () =>
  // Loaded when it is wanted: no other command waits for a database and a list of passwords.
  Effect.flatMap(Effect.promise(() => import("../server/Instance.ts")), ({ launch }) => launch)).pipe(
    Command.withDescription("Start an instance; its settings are environment variables")
  )
