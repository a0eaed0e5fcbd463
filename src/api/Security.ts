// The credentials as OpenAPI security schemes. Middleware reads them itself (header and query at once, which no scheme
// can say), so the document is told here which endpoint takes which.
import { Predicate } from "effect"

const schemes = {
  sessionToken: { type: "http", scheme: "bearer", description: "A session token: 64 hex characters" },
  sessionTokenInQuery: {
    type: "apiKey",
    in: "query",
    name: "token",
    description: "A session token, on GET only, where the tenant allows it"
  },
  ticket: { type: "apiKey", in: "query", name: "ticket", description: "A ticket, for one socket" },
  apiKey: { type: "http", scheme: "bearer", description: "A tenant's API key: `vc_` and 64 hex characters" },
  adminKey: { type: "http", scheme: "bearer", description: "The operator's key: `vc_admin_` and 64 hex characters" }
}

type Requirement = Partial<Record<keyof typeof schemes, ReadonlyArray<string>>>

const requirements = (method: string, path: string): ReadonlyArray<Requirement> => {
  if (path.startsWith("/api/admin/")) return [{ adminKey: [] }]
  if (path === "/api/auth/auto" || path.startsWith("/api/tenant")) return [{ apiKey: [] }]
  if (path === "/ws") return [{ sessionToken: [] }, { sessionTokenInQuery: [] }, { ticket: [] }]
  if (/^\/api\/(me|channels|ice-servers|logout|ws-ticket)\b/.test(path)) {
    return method === "get" ? [{ sessionToken: [] }, { sessionTokenInQuery: [] }] : [{ sessionToken: [] }]
  }
  return []
}

export const documentCredentials = (spec: Record<string, any>): Record<string, any> => ({
  ...spec,
  components: { ...spec.components, securitySchemes: schemes },
  paths: Object.fromEntries(
    Object.entries<Record<string, object>>(spec.paths).map(([path, operations]) => [
      path,
      Object.fromEntries(
        Object.entries(operations).map(([method, operation]) => [
          method,
          Predicate.isObject(operation) ? { ...operation, security: requirements(method, path) } : operation
        ])
      )
    ])
  )
})
