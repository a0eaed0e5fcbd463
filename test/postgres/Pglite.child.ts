// A process to be killed: writes rows to the embedded database in the directory it is given, and prints the number of
// each one that was answered.
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { writeSync } from "node:fs"
import * as Pglite from "../../src/postgres/Pglite.ts"

const [dataDir, first] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`create table if not exists answered (id int primary key, text text not null)`
  for (let id = Number(first);; id++) {
    yield* sql.withTransaction(sql`insert into answered ${sql.insert({ id, text: "x".repeat(id % 4000) })}`)
    // Not console.log, which may keep the line in this process and lose it with it.
    writeSync(1, `${id}\n`)
  }
})

await Effect.runPromise(Effect.provide(program, Layer.fresh(Pglite.layer({ dataDir }))))
