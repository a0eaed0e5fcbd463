// Tenants, for the operator.
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { TenantId } from "../domain/Ids.ts"
import { TenantName } from "../domain/Tenant.ts"
import { AdminKey } from "./Authorization.ts"
import { NotFound, Unavailable } from "./Problems.ts"

export const Tenant = Schema.Struct({
  id: TenantId,
  name: Schema.String,
  app_id: Schema.String,
  suspended: Schema.Boolean,
  created_at: Schema.String
})

export const CreatedTenant = Schema.Struct({
  id: TenantId,
  name: Schema.String,
  app_id: Schema.String,
  api_key: Schema.String.annotate({ description: "The tenant's first API key; shown this once" })
})

export class Tenants extends HttpApiGroup.make("tenants")
  .add(
    HttpApiEndpoint.post("create", "/api/admin/tenants", {
      payload: Schema.Struct({ name: TenantName }),
      success: CreatedTenant.pipe(HttpApiSchema.status(201)),
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({ summary: "Make a tenant and its first API key" })),
    HttpApiEndpoint.patch("change", "/api/admin/tenants/:id", {
      params: { id: TenantId },
      payload: Schema.Struct({
        name: Schema.optionalKey(TenantName),
        suspended: Schema.optionalKey(Schema.Boolean)
      }),
      success: Tenant,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Rename, suspend or resume a tenant" })),
    HttpApiEndpoint.delete("delete", "/api/admin/tenants/:id", {
      params: { id: TenantId },
      success: HttpApiSchema.NoContent,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Delete a tenant and everything of its" })),
    HttpApiEndpoint.get("list", "/api/admin/tenants", { success: Schema.Array(Tenant), error: Unavailable })
      .annotateMerge(OpenApi.annotations({ summary: "All tenants" }))
  )
  .middleware(AdminKey)
  .annotateMerge(OpenApi.annotations({ title: "Administration" })) {}
