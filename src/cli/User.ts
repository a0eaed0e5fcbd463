// `roomkey user`: a tenant's users.
import { Effect, Option, Schema, Stream } from "effect"
import { Argument, CliError, Command, Flag } from "effect/cli"
import type { TenantUser } from "../api/Users.ts"
import { UserId } from "../domain/Ids.ts"
import { CustomId, Metadata, PictureUrl, Username } from "../domain/User.ts"
import * as Ask from "./Ask.ts"
import * as Connection from "./Connection.ts"
import { importUsers } from "./Import.ts"
import * as Output from "./Output.ts"

const columns: Output.Columns<typeof TenantUser.Type> = [
  ["id", ({ id }) => id],
  ["username", ({ username }) => username],
  ["custom id", ({ custom_id }) => custom_id],
  ["password", ({ has_password }) => has_password],
  ["banned", ({ banned }) => banned],
  ["created", ({ created_at }) => created_at]
]

const id = Argument.Int("id").pipe(Argument.withDescription("The user's id"), Argument.withSchema(UserId))

const optional = <const Name extends string, A>(name: Name, value: Option.Option<A>) =>
  Option.match(value, { onNone: () => ({}), onSome: (value) => ({ [name]: value }) as Record<Name, A> })

const create = Command.make(
  "create",
  {
    ...Connection.tenantFlags,
    username: Argument.String("username").pipe(Argument.withSchema(Username)),
    customId: Flag.String("custom-id").pipe(Flag.withSchema(CustomId), Flag.optional),
    pictureUrl: Flag.String("picture-url").pipe(Flag.withSchema(PictureUrl), Flag.optional),
    metadata: Flag.String("metadata").pipe(
      Flag.withDescription("A JSON object"),
      Flag.withSchema(Schema.fromJsonString(Metadata)),
      Flag.optional
    ),
    askPassword: Flag.Boolean("ask-password").pipe(
      Flag.withDescription("Ask for a password; without one the user signs in through your backend only"),
      Flag.withDefault(false)
    ),
    passwordStdin: Flag.Boolean("password-stdin").pipe(
      Flag.withDescription("Read a password from standard input"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ apiKeyFile, askPassword, json, passwordStdin, url, username, ...profile }) {
    const { call, client } = yield* Connection.asTenant({ url, apiKeyFile })
    const password = passwordStdin
      ? Option.some(yield* Ask.readPassword)
      : askPassword
      ? Option.some(yield* Ask.askPassword)
      : Option.none()
    const payload = {
      username,
      ...optional("custom_id", profile.customId),
      ...optional("picture_url", profile.pictureUrl),
      ...optional("metadata", profile.metadata),
      ...optional("password", password)
    }
    yield* Output.printOne({ json }, columns, yield* call(client.users.create({ payload })))
  })
).pipe(
  Command.validate(({ askPassword, passwordStdin }) =>
    askPassword && passwordStdin
      ? Effect.fail(new CliError.ValidationError({ message: "Expected --ask-password or --password-stdin, not both" }))
      : Effect.void
  ),
  Command.withDescription("Add a user")
)

const list = Command.make(
  "list",
  {
    ...Connection.tenantFlags,
    search: Flag.String("search").pipe(
      Flag.withDescription("A part of the username or custom_id"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* ({ apiKeyFile, json, search, url }) {
    const { call, client } = yield* Connection.asTenant({ url, apiKeyFile })
    const page = (cursor: number) =>
      call(client.users.list({ query: { cursor, limit: 200, search: Option.getOrUndefined(search) } })).pipe(
        Effect.map(({ next_cursor, users }) => [[users], Option.map(Option.fromNullOr(next_cursor), Number)] as const)
      )
    yield* Output.printPages({ json }, columns, Stream.paginate(0, page))
  })
).pipe(Command.withDescription("The tenant's users, in order of id"))

const change = (name: string, banned: boolean) =>
  Command.make(
    name,
    { ...Connection.tenantFlags, id },
    Effect.fnUntraced(function* ({ apiKeyFile, id, json, url }) {
      const { call, client } = yield* Connection.asTenant({ url, apiKeyFile })
      const user = yield* call(client.users.change({ params: { id }, payload: { banned } }))
      yield* Output.printOne({ json }, columns, user)
    })
  )

const ban = change("ban", true).pipe(Command.withDescription("Ban a user; ends all their sessions"))

const unban = change("unban", false).pipe(Command.withDescription("End a user's ban"))

const erase = Command.make(
  "erase",
  { ...Connection.tenantFlags, id, yes: Ask.yes },
  Effect.fnUntraced(function* ({ apiKeyFile, id, json, url, yes }) {
    const { call, client } = yield* Connection.asTenant({ url, apiKeyFile })
    // Who is asked must see which user it is.
    const { username } = yield* call(client.users.read({ params: { id } }))
    yield* Ask.confirm(`Erase user ${id} (${Output.visible(username)}) for good?`, { yes })
    yield* call(client.users.erase({ params: { id } }))
    yield* Output.printDone({ json }, `erased user ${id}`, { id, erased: true })
  })
).pipe(Command.withDescription("Erase a user and everything of theirs"))

const formatOf = (file: string) => /\.(?:ndjson|jsonl)$/i.test(file) ? "ndjson" : "csv"

const importFile = Command.make(
  "import",
  {
    ...Connection.tenantFlags,
    file: Argument.File("file", { mustExist: true }).pipe(
      Argument.withDescription(
        "CSV with a line of names, or NDJSON, of username, custom_id, picture_url, metadata, " +
          "password_hash"
      )
    ),
    format: Flag.Literals("format", ["csv", "ndjson"]).pipe(
      Flag.withDescription("By default what the name says: NDJSON when it ends in .ndjson or .jsonl, else CSV"),
      Flag.optional
    ),
    concurrency: Flag.Int("concurrency").pipe(
      Flag.withDescription("Calls at a time"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 256 }))),
      Flag.withDefault(16)
    ),
    errors: Flag.File("errors").pipe(
      Flag.withDescription("Write bad rows there, as NDJSON of line and reason, and not to standard error"),
      Flag.optional
    )
  },
  ({ file, format, ...options }) =>
    importUsers({ ...options, file, format: Option.getOrElse(format, () => formatOf(file)) })
).pipe(Command.withDescription("Add the users of a file; repeat it after a failure, those who exist are left alone"))

export const user = Command.make("user").pipe(
  Command.withDescription("A tenant's users, with its API key"),
  Command.withSubcommands([create, list, ban, unban, erase, importFile])
)
