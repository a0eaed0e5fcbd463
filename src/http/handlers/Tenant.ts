// A tenant's own settings and keys, and introspection.
import { Clock, Effect, Option, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../../api/Api.ts"
import { CurrentTenant } from "../../api/Authorization.ts"
import { timestamp } from "../../api/Common.ts"
import * as Problems from "../../api/Problems.ts"
import type { AuditRecord, PeriodUsage } from "../../domain/AuditEvent.ts"
import type { ApiKeyInfo } from "../../domain/ApiKey.ts"
import { type Tenant, TenantNotFound } from "../../domain/Tenant.ts"
import { changeTenant } from "../../flows/tenants/ChangeTenant.ts"
import { introspect } from "../../flows/tenants/Introspect.ts"
import { issueApiKey } from "../../flows/tenants/IssueApiKey.ts"
import { revokeApiKey } from "../../flows/tenants/RevokeApiKey.ts"
import { ApiKeyRepository } from "../../services/ApiKeyRepository.ts"
import { AuditLog } from "../../services/AuditLog.ts"
import { TenantRepository } from "../../services/TenantRepository.ts"

const toSettings = ({ appId, id, name, settings }: Tenant) => ({
  id,
  name,
  app_id: appId,
  registration_enabled: settings.registrationEnabled,
  allowed_origins: settings.allowedOrigins,
  password_min_length: settings.passwordMinLength,
  query_tokens: settings.queryTokens
})

const toKeyInfo = (key: ApiKeyInfo) => ({
  id: key.id,
  label: key.label,
  created_at: timestamp(key.createdAt),
  expires_at: key.expiresAt === null ? null : timestamp(key.expiresAt),
  last_used_at: key.lastUsedAt === null ? null : timestamp(key.lastUsedAt)
})

const toEvent = (event: AuditRecord) => ({
  id: event.id,
  at: timestamp(event.at),
  type: event.type,
  actor: event.actor.kind,
  api_key_id: event.actor.apiKeyId,
  user_id: event.userId,
  session_id: event.sessionId,
  address: event.address,
  user_agent: event.userAgent,
  detail: event.detail
})

const counts = ({ signIns, sockets }: PeriodUsage) => ({ sign_ins: signIns, sockets })

const unavailable = () => new Problems.Unavailable({})
const gone = () => new Problems.NotFound({ detail: "The tenant is gone" })

export const tenantLayer = HttpApiBuilder.group(Api, "tenant", (handlers) =>
  handlers.handleAll({
    read: Effect.fnUntraced(function* () {
      const { tenantId } = yield* CurrentTenant
      const tenants = yield* TenantRepository
      const found = yield* tenants.find(tenantId)
      return Option.isNone(found) ? yield* new TenantNotFound() : toSettings(found.value)
    }, Effect.catchTags({ TenantNotFound: gone, StoreUnavailable: unavailable })),
    change: Effect.fnUntraced(function* ({ payload }) {
      const { tenantId } = yield* CurrentTenant
      return toSettings(
        yield* changeTenant(tenantId, {
          name: payload.name,
          ...(payload.registration_enabled === undefined ? {} : { registrationEnabled: payload.registration_enabled }),
          ...(payload.allowed_origins === undefined ? {} : { allowedOrigins: payload.allowed_origins }),
          ...(payload.password_min_length === undefined ? {} : { passwordMinLength: payload.password_min_length }),
          ...(payload.query_tokens === undefined ? {} : { queryTokens: payload.query_tokens })
        })
      )
    }, Effect.catchTags({ TenantNotFound: gone, StoreUnavailable: unavailable })),
    keys: Effect.fnUntraced(function* () {
      const { tenantId } = yield* CurrentTenant
      const keys = yield* ApiKeyRepository
      return (yield* keys.list(tenantId)).map(toKeyInfo)
    }, Effect.catchTags({ StoreUnavailable: unavailable })),
    issueKey: Effect.fnUntraced(function* ({ payload }) {
      const { tenantId } = yield* CurrentTenant
      const issued = yield* issueApiKey(tenantId, {
        label: payload.label ?? null,
        expiresIn: payload.expires_in ?? null
      })
      return { ...toKeyInfo(issued), api_key: Redacted.value(issued.key) }
    }, Effect.catchTags({ TooManyApiKeys: () => new Problems.TooManyApiKeys({}), StoreUnavailable: unavailable })),
    revokeKey: Effect.fnUntraced(
      function* ({ params, query }) {
        const { tenantId } = yield* CurrentTenant
        yield* revokeApiKey(tenantId, params.id, { force: query.force === "true" })
      },
      Effect.catchTags({
        ApiKeyNotFound: () => new Problems.NotFound({ detail: "No such key" }),
        LastApiKey: () => new Problems.LastApiKey({}),
        StoreUnavailable: unavailable
      })
    ),
    events: Effect.fnUntraced(function* ({ query }) {
      const { tenantId } = yield* CurrentTenant
      const audit = yield* AuditLog
      const page = yield* audit.list(tenantId, { before: query.cursor, limit: query.limit ?? 50 })
      return { events: page.items.map(toEvent), next_cursor: page.next === null ? null : String(page.next) }
    }, Effect.catchTags({ StoreUnavailable: unavailable })),
    usage: Effect.fnUntraced(function* () {
      const { tenantId } = yield* CurrentTenant
      const audit = yield* AuditLog
      const { days, liveSessions, months, users } = yield* audit.usage(tenantId)
      return {
        users,
        live_sessions: liveSessions,
        days: days.map((day) => ({ day: day.period, ...counts(day) })),
        months: months.map((month) => ({ month: month.period, ...counts(month) }))
      }
    }, Effect.catchTags({ StoreUnavailable: unavailable })),
    introspect: Effect.fnUntraced(function* ({ payload }) {
      const { tenantId } = yield* CurrentTenant
      const found = yield* introspect(tenantId, payload.token)
      if (Option.isNone(found)) return { active: false as const }
      const { expiresIn, issuedAgo, sessionId, user } = found.value
      const now = (yield* Clock.currentTimeMillis) / 1000
      return {
        active: true as const,
        sub: String(user.id),
        username: user.username,
        custom_id: user.customId,
        tenant_id: tenantId,
        sid: sessionId,
        token_type: "Bearer" as const,
        iat: Math.floor(now - issuedAgo),
        exp: Math.floor(now + expiresIn)
      }
    }, Effect.catchTags({ StoreUnavailable: unavailable }))
  }))
