// Sessions in PostgreSQL, by the statements of SessionStatements.ts.
import type { PgClient } from "@effect/sql-pg/PgClient"
import { Duration, Effect, Latch, Layer, Option, Schedule } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { InvalidApiKey } from "../domain/ApiKey.ts"
import type { ApiKeyId, TenantId, UserId } from "../domain/Ids.ts"
import { InvalidCredentials } from "../domain/Password.ts"
import { type MintedTokens, SessionPolicy } from "../domain/Session.ts"
import { TenantSuspended } from "../domain/Tenant.ts"
import { StoreUnavailable } from "../domain/Unavailable.ts"
import { CustomIdImmutable, CustomIdTaken, type Profile, UserBanned } from "../domain/User.ts"
import { Caller } from "../services/Caller.ts"
import { type Opened, TokenStore } from "../services/TokenStore.ts"
import * as Gather from "./Gather.ts"
import { Queries, rows, sqlState, uniqueViolation } from "./Query.ts"
import * as Sessions from "./SessionStatements.ts"

const wasRefused = (error: SqlError): boolean => sqlState(error) === "RK403"

/** As PostgreSQL reads bytes from text. */
const hex = ({ buffer, byteLength, byteOffset }: Uint8Array): string =>
  `\\x${Buffer.from(buffer, byteOffset, byteLength).toString("hex")}`

/** Rows that say which call they answer, counting from one. */
const byIndex = <Row extends { readonly ordinality: number }, A>(found: ReadonlyArray<Row>, read: (row: Row) => A) =>
  new Map(found.map((row) => [row.ordinality - 1, read(row)]))

/** A sign-in races with at most a few changes to the same user; each retry sees the one that won. */
const maxAttempts = 5

export const layer: Layer.Layer<TokenStore, never, PgClient> = Layer.effect(
  TokenStore,
  Effect.gen(function* () {
    const { apart, attempt, sql } = yield* Queries
    const policy = yield* SessionPolicy
    const sessionTtl = Duration.toSeconds(policy.sessionTtl)
    const accessTtl = Math.min(Duration.toSeconds(policy.accessTtl), sessionTtl)
    const refreshTtl = Math.min(Duration.toSeconds(policy.refreshTtl), sessionTtl)
    const grace = Duration.toSeconds(policy.refreshGrace)

    const profileRows = rows(Sessions.ProfileRow)
    const passwordRows = rows(Sessions.PasswordRow)
    const sessionRows = rows(Sessions.SessionRow)
    const expiresInRows = rows(Sessions.ExpiresInRow)
    const createdRows = rows(Sessions.CreatedRow)
    const infoRows = rows(Sessions.InfoRow)
    const endedRows = rows(Sessions.EndedRow)
    const openedRows = rows(Sessions.OpenedRow)
    const rotatedRows = rows(Sessions.RotatedRow)

    const openParameters = (tokens: MintedTokens, caller: Caller) => [
      tokens.sessionId,
      tokens.accessDigest,
      tokens.refreshDigest,
      accessTtl,
      refreshTtl,
      sessionTtl,
      policy.maxPerUser,
      caller.address,
      caller.userAgent
    ]

    const openCall = (tokens: MintedTokens, { address, userAgent }: Caller) => ({
      id: tokens.sessionId,
      access_digest: hex(tokens.accessDigest),
      refresh_digest: hex(tokens.refreshDigest),
      address,
      user_agent: userAgent
    })

    const nextParameters = (
      presentedDigest: Uint8Array,
      salt: Uint8Array,
      next: MintedTokens,
      caller: Caller
    ) => [
      next.sessionId,
      presentedDigest,
      salt,
      next.accessDigest,
      next.refreshDigest,
      accessTtl,
      refreshTtl,
      caller.address,
      caller.userAgent
    ]

    const profileParameters = (profile: Profile) => [
      profile.customId ?? null,
      profile.pictureUrl ?? null,
      profile.metadata === undefined ? null : JSON.stringify(profile.metadata)
    ]

    const createUser = Effect.fnUntraced(function* (tenantId: TenantId, apiKeyId: ApiKeyId, profile: Profile) {
      yield* sql.unsafe(Sessions.lockNameStatement, [tenantId, profile.username])
      if (profile.customId !== undefined) {
        yield* sql.unsafe(Sessions.lockCustomIdStatement, [tenantId, profile.customId])
      }
      const [created] = yield* sql.unsafe(Sessions.createUserStatement, [
        tenantId,
        profile.username,
        ...profileParameters(profile),
        apiKeyId
      ]).pipe(Effect.flatMap(createdRows))
      if (created?.custom_id_taken === true) return yield* new CustomIdTaken()
    })

    const tellOf = yield* teller((userIds) =>
      attempt("tellChanged", sql.unsafe(Sessions.tellChangedStatement, [userIds.map(String)]))
    )

    /** `statement` opens the sessions of several calls. */
    const openMany = (statement: string) => (calls: ReadonlyArray<unknown>) =>
      sql.unsafe(statement, [JSON.stringify(calls), accessTtl, refreshTtl, sessionTtl, policy.maxPerUser]).pipe(
        Effect.flatMap(openedRows),
        Effect.map((opened) =>
          byIndex(opened, (row): Opened => ({
            user: Sessions.toUser(row),
            expiresIn: accessTtl,
            evicted: row.evicted
          }))
        )
      )

    const profileKey = (call: Sessions.SignInCall) => `${call.tenant_id} ${call.username}`

    const openManyNew = openMany(Sessions.openManyNewStatement)
    const openNew = yield* Gather.make<Sessions.SignInCall, Opened | undefined>(
      "openForNewProfile",
      profileKey,
      openManyNew,
      { atOnce: false }
    )

    /** Nothing, where the statement leaves it out. */
    const openForNewProfile = (call: Sessions.SignInCall) =>
      openNew(
        call,
        Effect.map(attempt("openForNewProfile", openManyNew([call])), (made) => made.get(0))
      )

    const openAloneForProfile = Effect.fnUntraced(
      function* (call: Sessions.SignInCall, profile: Profile, tokens: MintedTokens) {
        const { api_key_id: apiKeyId, tenant_id: tenantId } = call
        const open = sql.unsafe(Sessions.openForProfileStatement, [
          ...openParameters(tokens, yield* Caller),
          apiKeyId,
          tenantId,
          profile.username,
          ...profileParameters(profile)
        ]).pipe(Effect.flatMap(profileRows))
        const onError = (error: SqlError) => {
          if (uniqueViolation(error) === "users_custom_id") return new CustomIdTaken()
          // Somebody else has just made the user, by another way.
          if (uniqueViolation(error) === "users_username") return "again" as const
          if (wasRefused(error)) return "again" as const
          return undefined
        }
        let unknownUser = false
        for (let attempts = 0; attempts < maxAttempts; attempts++) {
          const found = yield* attempt(
            "openForProfile",
            unknownUser ? apart(Effect.andThen(createUser(tenantId, apiKeyId, profile), open)) : open,
            onError,
            `user ${tenantId} ${profile.username}`
          ).pipe(Effect.catchIf((error) => error === "again", () => Effect.succeed("again" as const)))
          if (found === "again") continue
          const row = found[0]
          if (row === undefined) return yield* new InvalidApiKey()
          if (row.suspended) return yield* new TenantSuspended({ tenantId })
          if (row.user_id === null || row.username === null) {
            const made = unknownUser ? undefined : yield* openForNewProfile(call)
            if (made !== undefined) return made
            unknownUser = true
            continue
          }
          if (row.banned) return yield* new UserBanned({ userId: row.user_id })
          if (row.custom_id_differs) return yield* new CustomIdImmutable()
          if (row.custom_id_taken) return yield* new CustomIdTaken()
          if (!row.opened) continue
          if (row.changed) tellOf(row.user_id)
          return {
            user: Sessions.toUser({ ...row, user_id: row.user_id, username: row.username }),
            expiresIn: accessTtl,
            evicted: row.evicted ?? []
          }
        }
        return yield* new StoreUnavailable({ operation: "openForProfile", cause: "the user kept changing" })
      }
    )

    const openAloneForPassword = Effect.fnUntraced(
      function* (tenantId: TenantId, userId: UserId, passwordHash: string, tokens: MintedTokens) {
        const [row] = yield* attempt(
          "openForPassword",
          sql.unsafe(Sessions.openForPasswordStatement, [
            ...openParameters(tokens, yield* Caller),
            tenantId,
            userId,
            passwordHash
          ]).pipe(
            Effect.flatMap(passwordRows)
          ),
          (error) => wasRefused(error) ? new InvalidCredentials() : undefined,
          `user ${userId}`
        )
        if (row === undefined) return yield* new InvalidCredentials()
        if (row.suspended) return yield* new TenantSuspended({ tenantId })
        if (row.banned) return yield* new UserBanned({ userId })
        return { user: Sessions.toUser(row), expiresIn: accessTtl, evicted: row.evicted ?? [] }
      }
    )

    const openForProfile = yield* Gather.make(
      "openForProfile",
      profileKey,
      openMany(Sessions.openManyStatement),
      { atOnce: true }
    )

    const openForPassword = yield* Gather.make(
      "openForPassword",
      (call: Sessions.PasswordCall) => String(call.user_id),
      openMany(Sessions.openManyForPasswordStatement),
      { atOnce: false }
    )

    const rotateAlone = Effect.fnUntraced(
      function* (presentedDigest: Uint8Array, salt: Uint8Array, next: MintedTokens) {
        const found = yield* attempt(
          "rotate",
          sql.unsafe(Sessions.rotateStatement, [
            ...nextParameters(presentedDigest, salt, next, yield* Caller),
            grace
          ]).pipe(Effect.flatMap(expiresInRows))
        )
        return firstExpiresIn(found)
      }
    )

    const rotate = yield* Gather.make(
      "rotate",
      (call: Sessions.RotateCall) => call.id,
      (calls) =>
        sql.unsafe(Sessions.rotateManyStatement, [JSON.stringify(calls), accessTtl, refreshTtl, grace]).pipe(
          Effect.flatMap(rotatedRows),
          Effect.map((rotated) => byIndex(rotated, (row) => Option.some(Math.floor(row.expires_in))))
        ),
      { atOnce: false }
    )

    return TokenStore.of({
      openForProfile: (tenantId, apiKeyId, profile, tokens) =>
        Effect.flatMap(Caller, (caller) => {
          const call = {
            ...openCall(tokens, caller),
            api_key_id: apiKeyId,
            tenant_id: tenantId,
            username: profile.username,
            custom_id: profile.customId,
            picture_url: profile.pictureUrl,
            metadata: profile.metadata
          }
          return openForProfile(call, openAloneForProfile(call, profile, tokens))
        }),
      openForPassword: (tenantId, userId, passwordHash, tokens) =>
        Effect.flatMap(Caller, (caller) =>
          openForPassword({
            ...openCall(tokens, caller),
            tenant_id: tenantId,
            user_id: userId,
            password_hash: passwordHash
          }, openAloneForPassword(tenantId, userId, passwordHash, tokens))),
      find: (sessionId) =>
        attempt("find", sql.unsafe(Sessions.findStatement, [sessionId]).pipe(Effect.flatMap(sessionRows))).pipe(
          Effect.map((found) => Option.map(Option.fromUndefinedOr(found[0]), Sessions.toRecord))
        ),
      findAll: (sessionIds) =>
        attempt("findAll", sql.unsafe(Sessions.findAllStatement, [sessionIds]).pipe(Effect.flatMap(sessionRows))).pipe(
          Effect.map((found) => found.map(Sessions.toRecord))
        ),
      markUsed: (sessionId, accessDigest) =>
        Effect.asVoid(attempt("markUsed", sql.unsafe(Sessions.markUsedStatement, [sessionId, accessDigest]))),
      rotate: (presentedDigest, salt, next) =>
        Effect.flatMap(Caller, ({ address, userAgent }) =>
          rotate({
            id: next.sessionId,
            presented_digest: hex(presentedDigest),
            salt: hex(salt),
            access_digest: hex(next.accessDigest),
            refresh_digest: hex(next.refreshDigest),
            address,
            user_agent: userAgent
          }, rotateAlone(presentedDigest, salt, next))),
      replaceUnused: Effect.fnUntraced(function* (presentedDigest, expectedSalt, salt, next) {
        const found = yield* attempt(
          "replaceUnused",
          sql.unsafe(Sessions.replaceUnusedStatement, [
            ...nextParameters(presentedDigest, salt, next, yield* Caller),
            expectedSalt
          ]).pipe(Effect.flatMap(expiresInRows))
        )
        return firstExpiresIn(found)
      }),
      list: (tenantId, userId) =>
        attempt("listSessions", sql.unsafe(Sessions.listStatement, [tenantId, userId]).pipe(Effect.flatMap(infoRows)))
          .pipe(
            Effect.map((found) => found.map(Sessions.toInfo))
          ),
      endAll: (tenantId, userId, reason, options) =>
        attempt(
          "endAll",
          sql.unsafe(Sessions.endAllStatement, [reason, tenantId, userId, options?.keep ?? null]).pipe(
            Effect.flatMap(endedRows)
          )
        ).pipe(Effect.map((ended) => ended.map(({ id }) => id))),
      endWithin: (tenantId, userId, sessionId, reason) =>
        attempt("endWithin", sql.unsafe(Sessions.endWithinStatement, [reason, tenantId, userId, sessionId])).pipe(
          Effect.map((ended) => ended.length > 0)
        ),
      end: (sessionId, reason) =>
        attempt("end", sql.unsafe(Sessions.endStatement, [sessionId, reason])).pipe(
          Effect.map((ended) => ended.length > 0)
        )
    })
  })
).pipe(Layer.provide(Queries.layer))

/**
 * What others are told of changed profiles has statements of its own, one at a time: notifying transactions commit one
 * after the other in the whole cluster, which is no time for a sign-in to wait.
 */
const teller = Effect.fnUntraced(
  function* (tell: (userIds: ReadonlyArray<UserId>) => Effect.Effect<unknown, StoreUnavailable>) {
    const changed = new Set<UserId>()
    const some = yield* Latch.make()
    const send = Effect.suspend(() => {
      some.closeUnsafe()
      const userIds = [...changed]
      changed.clear()
      return Effect.onError(tell(userIds), () => Effect.sync(() => userIds.forEach(tellOf)))
    })
    const tellOf = (userId: UserId): void => {
      changed.add(userId)
      some.openUnsafe()
    }
    yield* Effect.addFinalizer(() => changed.size === 0 ? Effect.void : Effect.ignore(send))
    yield* Effect.andThen(some.await, Effect.retry(send, Schedule.spaced("250 millis"))).pipe(
      Effect.forever,
      Effect.forkScoped
    )
    return tellOf
  }
)

const firstExpiresIn = (found: ReadonlyArray<typeof Sessions.ExpiresInRow.Type>): Option.Option<number> =>
  Option.map(Option.fromUndefinedOr(found[0]), (row) => Math.floor(row.expires_in))
