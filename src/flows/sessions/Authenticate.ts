// A session token becomes a principal, by its row alone: nothing is believed that the database does not say now, or said
// before where nothing is known to have changed since.
import { Effect, Option, type Redacted } from "effect"
import type { SessionPrincipal } from "../../domain/Principal.ts"
import { type HashedToken, InvalidToken, judgeAccess, type SessionRecord, TokenExpired } from "../../domain/Session.ts"
import { TenantSuspended } from "../../domain/Tenant.ts"
import type { StoreUnavailable } from "../../domain/Unavailable.ts"
import { UserBanned } from "../../domain/User.ts"
import { RecentSessions } from "../../services/RecentSessions.ts"
import { TokenCodec } from "../../services/TokenCodec.ts"
import { TokenStore } from "../../services/TokenStore.ts"

type NotAuthenticated = InvalidToken | TokenExpired | UserBanned | TenantSuspended

export const authenticate = (token: Redacted.Redacted): Effect.Effect<
  SessionPrincipal,
  NotAuthenticated | StoreUnavailable,
  TokenCodec | TokenStore
> =>
  Effect.flatMap(TokenCodec, (codec) => {
    const presented = Option.getOrUndefined(codec.parseToken(token))
    if (presented === undefined) return Effect.fail(new InvalidToken())
    return Effect.flatMap(RecentSessions, (recent) => {
      const principal = recallPrincipal(presented, codec, recent)
      return principal === undefined ? readAndAdmit(presented, codec) : Effect.succeed(principal)
    })
  })

/** Whom a token is known to sign in without asking the database; nothing says nothing of the token. */
export const recallPrincipal = (
  token: HashedToken,
  codec: TokenCodec["Service"],
  recent: RecentSessions
): SessionPrincipal | undefined => {
  const record = recent.recall(token.sessionId)
  const admission = record === undefined ? undefined : admit(record, token, codec)
  return admission?._tag === "Admitted" ? admission.principal : undefined
}

const readAndAdmit = Effect.fn("authenticate")(function* (
  presented: HashedToken,
  codec: TokenCodec["Service"]
): Effect.fn.Return<SessionPrincipal, NotAuthenticated | StoreUnavailable, TokenStore> {
  const store = yield* TokenStore
  const found = yield* store.find(presented.sessionId)
  if (Option.isNone(found)) return yield* new InvalidToken()
  const admission = admit(found.value, presented, codec)
  switch (admission._tag) {
    case "Refused":
      return yield* admission.error
    case "FirstUse":
      yield* store.markUsed(presented.sessionId, presented.digest)
  }
  return admission.principal
})

type Admission =
  | { readonly _tag: "Admitted"; readonly principal: SessionPrincipal }
  /** Admitted, and the row is still to say that the pair was used. */
  | { readonly _tag: "FirstUse"; readonly principal: SessionPrincipal }
  | { readonly _tag: "Refused"; readonly error: NotAuthenticated }

const refused = (error: NotAuthenticated): Admission => ({ _tag: "Refused", error })

const admit = (record: SessionRecord, { digest }: HashedToken, codec: TokenCodec["Service"]): Admission => {
  const verdict = judgeAccess(record, digest, codec.matches)
  if (verdict === "Unknown") return refused(new InvalidToken())
  if (record.userBanned) return refused(new UserBanned({ userId: record.user.id }))
  if (record.tenantSuspended) return refused(new TenantSuspended({ tenantId: record.tenantId }))
  if (verdict === "Ended") return refused(new InvalidToken())
  if (verdict === "Expired") return refused(new TokenExpired())
  const isFirstUse = verdict === "Current" && !record.refresh.used
  return { _tag: isFirstUse ? "FirstUse" : "Admitted", principal: principalOf(record, verdict) }
}

export const principalOf = (record: SessionRecord, verdict: "Current" | "Previous"): SessionPrincipal => ({
  sessionId: record.id,
  tenantId: record.tenantId,
  appId: record.appId,
  user: record.user,
  expiresIn: Math.min(verdict === "Current" ? record.access.left : record.access.previousLeft, record.sessionLeft),
  issuedAgo: record.refresh.sinceRotation,
  allowedOrigins: record.allowedOrigins,
  queryTokens: record.queryTokens
})
