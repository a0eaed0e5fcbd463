// Tenants, for the operator.
import { DateTime, Effect, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../../api/Api.ts"
import * as Problems from "../../api/Problems.ts"
import type { Tenant } from "../../domain/Tenant.ts"
import { changeTenant } from "../../flows/tenants/ChangeTenant.ts"
import { createTenant } from "../../flows/tenants/CreateTenant.ts"
import { deleteTenant } from "../../flows/tenants/DeleteTenant.ts"
import { TenantRepository } from "../../services/TenantRepository.ts"

const toTenant = (tenant: Tenant) => ({
  id: tenant.id,
  name: tenant.name,
  app_id: tenant.appId,
  suspended: tenant.suspended,
  created_at: DateTime.formatIso(DateTime.makeUnsafe(tenant.createdAt))
})

const unavailable = { StoreUnavailable: () => new Problems.Unavailable({}) }

export const tenantsLayer = HttpApiBuilder.group(Api, "tenants", (handlers) =>
  handlers.handleAll({
    create: ({ payload }) =>
      createTenant(payload.name).pipe(
        Effect.map(({ apiKey, appId, id, name }) => ({ id, name, app_id: appId, api_key: Redacted.value(apiKey) })),
        Effect.catchTags(unavailable)
      ),
    change: ({ params, payload }) =>
      changeTenant(params.id, payload).pipe(
        Effect.map(toTenant),
        Effect.catchTags({ ...unavailable, TenantNotFound: () => new Problems.NotFound({ detail: "No such tenant" }) })
      ),
    delete: ({ params }) =>
      deleteTenant(params.id).pipe(
        Effect.catchTags({ ...unavailable, TenantNotFound: () => new Problems.NotFound({ detail: "No such tenant" }) })
      ),
    list: () =>
      TenantRepository.pipe(
        Effect.flatMap((tenants) => tenants.list),
        Effect.map((tenants) => tenants.map(toTenant)),
        Effect.catchTags(unavailable)
      )
  }))
