// `roomkey migrate`: the schema brought up to date on the configured database, without an instance.
import { Effect } from "effect"
import { Command } from "effect/cli"
import { RoomkeyConfig } from "../Config.ts"
import * as Output from "./Output.ts"

const columns: Output.Columns<{ readonly id: number; readonly name: string }> = [
  ["migration", ({ id }) => id],
  ["name", ({ name }) => name]
]

export const migrate = Command.make(
  "migrate",
  { json: Output.json },
  Effect.fnUntraced(function* ({ json }) {
    const config = yield* RoomkeyConfig
    // Loaded when it is wanted: no other command waits for a database.
    const { migrate } = yield* Effect.promise(() => import("../server/Migrate.ts"))
    const ran = (yield* migrate(config)).map(([id, name]) => ({ id, name }))
    if (ran.length === 0 && !json) return yield* Output.print("the schema is up to date")
    yield* Output.printList({ json }, columns, ran)
  })
).pipe(Command.withDescription("Bring the schema of the configured database up to date, and say which migrations ran"))
