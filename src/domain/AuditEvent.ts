// What a tenant can look up later: who did what, when, from where. Written once and never changed.
import { Schema } from "effect"
import type { ApiKeyId, SessionId, TenantId, UserId } from "./Ids.ts"

export const AuditType = Schema.Literals([
  "signed_in",
  "sign_in_failed",
  "refresh_token_reused",
  "session_ended",
  "user_created",
  "user_changed",
  "user_banned",
  "user_unbanned",
  "user_erased",
  "password_set",
  "password_changed",
  "api_key_issued",
  "api_key_revoked",
  "tenant_created",
  "tenant_changed",
  "tenant_suspended",
  "tenant_resumed",
  "channel_changed",
  "channel_deleted",
  "channel_standing_changed"
])
export type AuditType = typeof AuditType.Type

/** A user about itself, the tenant's backend, the operator, or somebody who has proved nothing. */
export const ActorKind = Schema.Literals(["user", "tenant", "operator", "anyone"])

export interface Actor {
  readonly kind: typeof ActorKind.Type
  /** The key by which the tenant's backend acted. */
  readonly apiKeyId: ApiKeyId | null
}

export const AuditDetail = Schema.Record(Schema.String, Schema.String)
export type AuditDetail = typeof AuditDetail.Type

/** An event as a flow knows it; who acted, and from where, is known by the edge. */
export interface AuditEvent {
  readonly tenantId: TenantId
  readonly type: AuditType
  /** The user whom it concerns. */
  readonly userId?: UserId
  readonly sessionId?: SessionId
  /** Names and reasons; never a secret. */
  readonly detail?: AuditDetail
}

export interface AuditRecord {
  readonly id: number
  /** Milliseconds of the Unix epoch. */
  readonly at: number
  /** An `AuditType`, of this version or of a newer one that runs beside it. */
  readonly type: string
  readonly actor: Actor
  readonly userId: UserId | null
  readonly sessionId: SessionId | null
  readonly address: string | null
  readonly userAgent: string | null
  readonly detail: AuditDetail | null
}

/** Sign-ins and sockets opened in a period: a day `2026-01-31`, or a month `2026-01`, in UTC. */
export interface PeriodUsage {
  readonly period: string
  readonly signIns: number
  readonly sockets: number
}

export interface Usage {
  readonly users: number
  readonly liveSessions: number
  /** The last 31 days with any, newest first. */
  readonly days: ReadonlyArray<PeriodUsage>
  /** The last 12 months with any, newest first. */
  readonly months: ReadonlyArray<PeriodUsage>
}
