// The schema brought up to date by hand, before an instance starts.
import { Effect, Layer } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import type { MigrationError } from "effect/sql/Migrator"
import type { SqlError } from "effect/sql/SqlError"
import type { RoomkeyConfig } from "../Config.ts"
import type { DataDirectoryInUse, DataDirectoryTooLong } from "../postgres/Pglite.ts"
import * as Postgres from "../postgres/Postgres.ts"
import * as Adapters from "./Adapters.ts"

/** The migrations that ran. A database that is away is an error here: nobody is served meanwhile. */
export const migrate = (
  config: RoomkeyConfig
): Effect.Effect<
  ReadonlyArray<readonly [id: number, name: string]>,
  DataDirectoryInUse | DataDirectoryTooLong | MigrationError | SqlError
> =>
  Layer.build(Layer.merge(Adapters.database(config), Reactivity.layer)).pipe(
    Effect.flatMap((context) => Effect.provideContext(Postgres.migrate, context)),
    Effect.scoped
  )
