// `roomkey key`: a tenant's API keys.
import { Duration, Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { IssuedKey, KeyInfo } from "../api/Tenant.ts"
import { ApiKeyId } from "../domain/Ids.ts"
import { TenantName } from "../domain/Tenant.ts"
import * as Ask from "./Ask.ts"
import * as Connection from "./Connection.ts"
import * as Output from "./Output.ts"

const columns: Output.Columns<typeof KeyInfo.Type> = [
  ["id", ({ id }) => id],
  ["label", ({ label }) => label],
  ["created", ({ created_at }) => created_at],
  ["expires", ({ expires_at }) => expires_at],
  ["last used", ({ last_used_at }) => last_used_at]
]

const issuedColumns: Output.Columns<typeof IssuedKey.Type> = [
  ["id", ({ id }) => id],
  ["label", ({ label }) => label],
  ["expires", ({ expires_at }) => expires_at],
  ["API key (shown once)", ({ api_key }) => api_key]
]

const lifetime = Schema.DurationFromString.check(
  Schema.makeFilter((value: Duration.Duration) =>
    (Duration.isFinite(value) && Duration.toSeconds(value) >= 1) || "Expected a duration of at least 1 second"
  )
)

const create = Command.make(
  "create",
  {
    ...Connection.tenantFlags,
    label: Flag.String("label").pipe(
      Flag.withDescription("What it is for"),
      Flag.withSchema(TenantName),
      Flag.optional
    ),
    expiresIn: Flag.String("expires-in").pipe(
      Flag.withDescription('Its life, as in "90 days"; without it the key does not expire'),
      Flag.withSchema(lifetime),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* ({ apiKeyFile, expiresIn, json, label, url }) {
    const { call, client } = yield* Connection.asTenant({ url, apiKeyFile })
    const payload = {
      ...Option.match(label, { onNone: () => ({}), onSome: (label) => ({ label }) }),
      ...Option.match(expiresIn, {
        onNone: () => ({}),
        onSome: (life) => ({ expires_in: Math.floor(Duration.toSeconds(life)) })
      })
    }
    yield* Output.printOne({ json }, issuedColumns, yield* call(client.tenant.issueKey({ payload })))
  })
).pipe(Command.withDescription("One more API key, for rotation without downtime"))

const list = Command.make(
  "list",
  Connection.tenantFlags,
  Effect.fnUntraced(function* ({ apiKeyFile, json, url }) {
    const { call, client } = yield* Connection.asTenant({ url, apiKeyFile })
    yield* Output.printList({ json }, columns, yield* call(client.tenant.keys({})))
  })
).pipe(Command.withDescription("The tenant's API keys, without their secrets"))

const revoke = Command.make(
  "revoke",
  {
    ...Connection.tenantFlags,
    id: Argument.String("id").pipe(Argument.withDescription("The key's id"), Argument.withSchema(ApiKeyId)),
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("Even the last key that works"),
      Flag.withDefault(false)
    ),
    yes: Ask.yes
  },
  Effect.fnUntraced(function* ({ apiKeyFile, force, id, json, url, yes }) {
    const { call, client } = yield* Connection.asTenant({ url, apiKeyFile })
    if (force) yield* Ask.confirm(`Revoke key ${id}, even if no other key of the tenant works?`, { yes })
    yield* call(client.tenant.revokeKey({ params: { id }, query: { force: force ? "true" : "false" } }))
    yield* Output.printDone({ json }, `revoked key ${id}`, { id, revoked: true })
  })
).pipe(Command.withDescription("Revoke an API key"))

export const key = Command.make("key").pipe(
  Command.withDescription("A tenant's API keys, with one of them"),
  Command.withSubcommands([create, list, revoke])
)
