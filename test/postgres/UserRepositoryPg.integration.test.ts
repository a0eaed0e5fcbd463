import { PgClient } from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { TenantId } from "../../src/domain/Ids.ts"
import { UserRepository } from "../../src/services/UserRepository.ts"
import * as World from "../support/World.ts"

layer(World.layer(), { timeout: "60 seconds" })("UserRepositoryPg", (it) => {
  it.effect("finds for each of many logins at once what one alone finds", () =>
    Effect.gen(function* () {
      const users = yield* UserRepository
      const sql = yield* PgClient
      const [tenant, other, suspended, deleted] = [
        yield* World.makeTenant(),
        yield* World.makeTenant(),
        yield* World.makeTenant(),
        yield* World.makeTenant()
      ]
      const create = (tenantId: TenantId, name: string, hash: string | null) =>
        users.create(tenantId, { username: World.username(name) }, hash)
      yield* create(tenant.id, "ada", "hash of ada")
      yield* create(tenant.id, "nobody", null)
      const banned = yield* create(tenant.id, "banned", "hash of banned")
      yield* users.update(tenant.id, banned.id, { banned: true })
      yield* create(other.id, "ada", "hash of another ada")
      for (const { id } of [suspended, deleted]) yield* create(id, "ada", "hash")
      yield* sql`update tenants set suspended_at = now() where id = ${suspended.id}`
      yield* sql`update tenants set deleted_at = now() where id = ${deleted.id}`
      const logins = [
        [tenant.appId, "ada"],
        [tenant.appId, "stranger"],
        [tenant.appId, "nobody"],
        [tenant.appId, "banned"],
        [other.appId, "ada"],
        [suspended.appId, "ada"],
        [deleted.appId, "ada"],
        ["vc_app_unknown", "ada"],
        [tenant.appId, "ada"]
      ] as const
      const find = ([appId, name]: typeof logins[number]) => users.findForLogin(appId, name)
      const together = yield* Effect.forEach(logins, find, { concurrency: "unbounded" })
      assert.deepEqual(together, yield* Effect.forEach(logins, find))
      assert.deepEqual(
        together.map((found) =>
          Option.isNone(found) ? "no tenant" : [found.value.tenantSuspended, found.value.user?.passwordHash]
        ),
        [
          [false, "hash of ada"],
          [false, undefined],
          [false, null],
          [false, "hash of banned"],
          [false, "hash of another ada"],
          [true, "hash"],
          "no tenant",
          "no tenant",
          [false, "hash of ada"]
        ]
      )
      assert.deepEqual(together.map((found) => Option.isSome(found) && found.value.user?.banned === true), [
        false,
        false,
        false,
        true,
        ...Array.from({ length: 5 }, () => false)
      ])
    }))
})
