// From a credential to a principal, before anything else of a request is looked at.
import { Effect, Layer, type Redacted } from "effect"
import { HttpServerRequest } from "effect/http"
import {
  AdminKey,
  ApiKey,
  ApiKeyPresented,
  CurrentSession,
  CurrentTenant,
  PresentedKey,
  SessionToken
} from "../api/Authorization.ts"
import {
  InvalidApiKey,
  InvalidRequest,
  InvalidToken,
  noQueryTokens,
  TenantSuspended,
  TokenExpired,
  Unavailable,
  UserBanned
} from "../api/Problems.ts"
import { authenticate } from "../flows/sessions/Authenticate.ts"
import { authenticateAdmin } from "../flows/tenants/AuthenticateAdmin.ts"
import { authenticateApiKey } from "../flows/tenants/AuthenticateApiKey.ts"
import { Actor, asUser } from "../services/Actor.ts"
import { AdminKey as AdminKeyService } from "../services/AdminKey.ts"
import { ApiKeyRepository } from "../services/ApiKeyRepository.ts"
import { TokenCodec } from "../services/TokenCodec.ts"
import { TokenStore } from "../services/TokenStore.ts"
import { secretKey, sessionToken } from "./Credentials.ts"

const conflict = () => new InvalidRequest({ detail: "The request carries different credentials: send one" })

export const sessionTokenLayer = Layer.effect(
  SessionToken,
  Effect.gen(function* () {
    const context = yield* Effect.context<TokenCodec | TokenStore>()
    return (handler) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const query = yield* HttpServerRequest.ParsedSearchParams
        const presented = sessionToken(request, query)
        if (presented._tag === "Conflict") return yield* conflict()
        if (presented._tag === "Missing") return yield* new InvalidToken({ detail: "A session token is needed" })
        const principal = yield* authenticate(presented.credential).pipe(
          Effect.provideContext(context),
          Effect.catchTags({
            InvalidToken: () => new InvalidToken({}),
            TokenExpired: () => new TokenExpired({}),
            UserBanned: () => new UserBanned({}),
            TenantSuspended: () => new TenantSuspended({}),
            StoreUnavailable: () => new Unavailable({})
          })
        )
        if (presented.inQuery && !principal.queryTokens) return yield* noQueryTokens()
        return yield* handler.pipe(Effect.provideService(CurrentSession, principal), asUser)
      })
  })
)

const presentedKey = Effect.gen(function* () {
  const presented = secretKey(yield* HttpServerRequest.HttpServerRequest)
  if (presented._tag === "Conflict") return yield* conflict()
  if (presented._tag === "Missing") return yield* new InvalidApiKey({ detail: "A key is needed" })
  return presented.credential
})

export const apiKeyPresentedLayer = Layer.succeed(
  ApiKeyPresented,
  (handler) => Effect.flatMap(presentedKey, (key) => Effect.provideService(handler, PresentedKey, key))
)

export const apiKeyLayer = Layer.effect(
  ApiKey,
  Effect.gen(function* () {
    const context = yield* Effect.context<ApiKeyRepository | TokenCodec>()
    const authorize = (key: Redacted.Redacted) =>
      authenticateApiKey(key).pipe(
        Effect.provideContext(context),
        Effect.catchTags({
          InvalidApiKey: () => new InvalidApiKey({}),
          TenantSuspended: () => new TenantSuspended({}),
          StoreUnavailable: () => new Unavailable({})
        })
      )
    return (handler) =>
      presentedKey.pipe(
        Effect.flatMap(authorize),
        Effect.flatMap((tenant) =>
          handler.pipe(
            Effect.provideService(CurrentTenant, tenant),
            Effect.provideService(Actor, { kind: "tenant", apiKeyId: tenant.apiKeyId })
          )
        )
      )
  })
)

export const adminKeyLayer = Layer.effect(
  AdminKey,
  Effect.gen(function* () {
    const context = yield* Effect.context<AdminKeyService | TokenCodec>()
    return (handler) =>
      presentedKey.pipe(
        Effect.flatMap((key) => Effect.provideContext(authenticateAdmin(key), context)),
        Effect.catchTags({ InvalidAdminKey: () => new InvalidApiKey({}) }),
        Effect.andThen(Effect.provideService(handler, Actor, { kind: "operator", apiKeyId: null }))
      )
  })
)
