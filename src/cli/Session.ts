// `roomkey session`: where a tenant's users are signed in.
import { Effect } from "effect"
import { Argument, CliError, Command, Flag } from "effect/cli"
import type { Session } from "../api/Sessions.ts"
import { SessionId, UserId } from "../domain/Ids.ts"
import * as Connection from "./Connection.ts"
import * as Output from "./Output.ts"

const columns: Output.Columns<typeof Session.Type> = [
  ["id", ({ id }) => id],
  ["created", ({ created_at }) => created_at],
  ["last seen", ({ last_seen_at }) => last_seen_at],
  ["expires", ({ expires_at }) => expires_at],
  ["address", ({ address }) => address],
  ["user agent", ({ user_agent }) => user_agent]
]

const list = Command.make(
  "list",
  {
    ...Connection.tenantFlags,
    user: Argument.Int("user").pipe(Argument.withDescription("The user's id"), Argument.withSchema(UserId))
  },
  Effect.fnUntraced(function* ({ apiKeyFile, json, url, user }) {
    const { call, client } = yield* Connection.asTenant({ url, apiKeyFile })
    yield* Output.printList({ json }, columns, yield* call(client.users.sessions({ params: { id: user } })))
  })
).pipe(Command.withDescription("A user's sessions"))

const revoke = Command.make(
  "revoke",
  {
    ...Connection.tenantFlags,
    id: Argument.String("id").pipe(
      Argument.withDescription("The session's id"),
      Argument.withSchema(SessionId),
      Argument.optional
    ),
    user: Flag.Int("user").pipe(
      Flag.withDescription("Instead of one session, all of this user's"),
      Flag.withSchema(UserId),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* ({ apiKeyFile, id, json, url, user }) {
    const { call, client } = yield* Connection.asTenant({ url, apiKeyFile })
    if (id._tag === "Some") {
      yield* call(client.users.endSession({ params: { id: id.value } }))
      yield* Output.printDone({ json }, `revoked session ${id.value}`, { id: id.value, revoked: true })
    } else if (user._tag === "Some") {
      yield* call(client.users.endSessions({ params: { id: user.value } }))
      yield* Output.printDone({ json }, `revoked every session of user ${user.value}`, {
        user: user.value,
        revoked: true
      })
    }
  })
).pipe(
  Command.validate(({ id, user }) =>
    id._tag === user._tag
      ? Effect.fail(new CliError.ValidationError({ message: "Expected a session's id, or --user" }))
      : Effect.void
  ),
  Command.withDescription("End a session, or all of a user's")
)

export const session = Command.make("session").pipe(
  Command.withDescription("Sessions of a tenant's users, with its API key"),
  Command.withSubcommands([list, revoke])
)
