// `roomkey tenant`: the operator's tenants.
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import type { CreatedTenant, Tenant } from "../api/Tenants.ts"
import { TenantId } from "../domain/Ids.ts"
import { TenantName } from "../domain/Tenant.ts"
import * as Ask from "./Ask.ts"
import * as Connection from "./Connection.ts"
import * as Output from "./Output.ts"

const columns: Output.Columns<typeof Tenant.Type> = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name],
  ["app id", ({ app_id }) => app_id],
  ["suspended", ({ suspended }) => suspended],
  ["created", ({ created_at }) => created_at]
]

const createdColumns: Output.Columns<typeof CreatedTenant.Type> = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name],
  ["app id", ({ app_id }) => app_id],
  ["API key (shown once)", ({ api_key }) => api_key]
]

const id = Argument.Int("id").pipe(Argument.withDescription("The tenant's id"), Argument.withSchema(TenantId))

const create = Command.make(
  "create",
  {
    ...Connection.flags,
    name: Argument.String("name").pipe(Argument.withDescription("Its name"), Argument.withSchema(TenantName))
  },
  Effect.fnUntraced(function* ({ json, name, url }) {
    const { call, client } = yield* Connection.asOperator({ url })
    yield* Output.printOne({ json }, createdColumns, yield* call(client.tenants.create({ payload: { name } })))
  })
).pipe(Command.withDescription("Make a tenant and its first API key"))

const list = Command.make(
  "list",
  Connection.flags,
  Effect.fnUntraced(function* ({ json, url }) {
    const { call, client } = yield* Connection.asOperator({ url })
    yield* Output.printList({ json }, columns, yield* call(client.tenants.list({})))
  })
).pipe(Command.withDescription("All tenants"))

const change = (name: string, suspended: boolean) =>
  Command.make(
    name,
    { ...Connection.flags, id },
    Effect.fnUntraced(function* ({ id, json, url }) {
      const { call, client } = yield* Connection.asOperator({ url })
      const tenant = yield* call(client.tenants.change({ params: { id }, payload: { suspended } }))
      yield* Output.printOne({ json }, columns, tenant)
    })
  )

const suspend = change("suspend", true).pipe(
  Command.withDescription("Refuse everything of a tenant, until it is resumed")
)

const resume = change("resume", false).pipe(Command.withDescription("End a tenant's suspension"))

const remove = Command.make(
  "delete",
  { ...Connection.flags, id, yes: Ask.yes },
  Effect.fnUntraced(function* ({ id, json, url, yes }) {
    const { call, client } = yield* Connection.asOperator({ url })
    // An empty change: who is asked must see which tenant it is.
    const { name } = yield* call(client.tenants.change({ params: { id }, payload: {} }))
    yield* Ask.confirm(`Delete tenant ${id} (${Output.visible(name)}) with all its users, for good?`, { yes })
    yield* call(client.tenants.delete({ params: { id } }))
    yield* Output.printDone({ json }, `deleted tenant ${id}`, { id, deleted: true })
  })
).pipe(Command.withDescription("Delete a tenant and everything of its"))

export const tenant = Command.make("tenant").pipe(
  Command.withDescription("Tenants, with the admin key"),
  Command.withSubcommands([create, list, suspend, resume, remove])
)
