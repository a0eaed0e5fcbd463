// The whole contract: what is served, documented at /openapi.json, and called by the typed client.
import { HttpApi, OpenApi } from "effect/http-api"
import { ValidRequest } from "./Authorization.ts"
import { Channels } from "./Channels.ts"
import { IceServers } from "./IceServers.ts"
import { Realtime } from "./Realtime.ts"
import { documentCredentials } from "./Security.ts"
import { Sessions } from "./Sessions.ts"
import { System } from "./System.ts"
import { Tenant } from "./Tenant.ts"
import { TenantChannels } from "./TenantChannels.ts"
import { Tenants } from "./Tenants.ts"
import { Users } from "./Users.ts"

export class Api extends HttpApi.make("roomkey")
  .add(Sessions)
  .add(Channels)
  .add(Realtime)
  .add(IceServers)
  .add(Tenant)
  .add(Users)
  .add(TenantChannels)
  .add(Tenants)
  .add(System)
  .middleware(ValidRequest)
  .annotate(HttpApi.PayloadParseOptions, { errors: "all" })
  .annotate(HttpApi.QueryParseOptions, { errors: "all" })
  .annotateMerge(OpenApi.annotations({
    title: "Roomkey",
    version: "0.1.0",
    description: "Sign-in for the users of voice-room apps. Errors are RFC 9457 problems; switch on `code`.",
    transform: documentCredentials
  })) {}
