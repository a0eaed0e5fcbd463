// Roomkey as it is shipped, on either runtime and either database.
import { adminKey, denoCommand, nodeCommand, root } from "../../e2e/support/Process.ts"
import { type Load, request, type Target } from "../Load.ts"
import type { Postgres } from "../Postgres.ts"
import { type Environment, type Server, startServer } from "./Server.ts"

export interface Tenant {
  readonly id: number
  readonly app_id: string
  readonly api_key: string
}

export interface Session {
  readonly token: string
  readonly refresh_token: string
}

export type Runtime = "node" | "deno"

export interface Options {
  readonly runtime: Runtime
  /** Where the embedded database is, and nothing is written with PostgreSQL. */
  readonly dataDir: string
  readonly database?: { readonly postgres: Postgres; readonly name: string } | undefined
  readonly env?: Environment
  /** Of the runtime. */
  readonly flags?: ReadonlyArray<string>
}

/** The defaults, but for the one limit that a single caller would meet. */
export const roomkeyEnvironment = ({ dataDir, database, env }: Options): Environment => ({
  HOST: "127.0.0.1",
  PORT: "0",
  DATA_DIR: dataDir,
  ROOMKEY_ADMIN_KEY: adminKey,
  LIMIT_AUTO_AUTH: "100000000",
  ...(database === undefined ? {} : { DATABASE_URL: database.postgres.urlOf(database.name) }),
  ...env
})

export const roomkeyCommand = ({ dataDir, flags = [], runtime }: Options): ReadonlyArray<string> => {
  if (runtime === "node") {
    const [node, ...rest] = nodeCommand()
    return [node!, ...flags, ...rest]
  }
  const [deno, run, ...rest] = denoCommand(dataDir)
  return [deno!, run!, ...flags, ...rest]
}

export const startRoomkey = (options: Options): Promise<Server> =>
  startServer(
    roomkeyCommand(options),
    roomkeyEnvironment(options),
    options.database?.postgres.postmaster,
    root
  )

export const makeTenant = async (load: Load, target: Target): Promise<Tenant> => {
  const [tenant] = await load.each<Tenant>(
    target,
    [request("POST", "/api/admin/tenants", adminKey, { name: "Bench" })],
    201
  )
  return tenant!
}

export const signInRequests = (apiKey: string, users: number): ReadonlyArray<string> =>
  Array.from({ length: users }, (_, n) => request("POST", "/api/auth/auto", apiKey, { username: `user${n + 1}` }))

/** `user1` … `userN`, each signed in once. */
export const signInAll = (load: Load, target: Target, apiKey: string, users: number): Promise<ReadonlyArray<Session>> =>
  load.each<Session>(target, signInRequests(apiKey, users))
