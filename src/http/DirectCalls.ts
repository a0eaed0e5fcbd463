// Sign-in by a backend and refresh, in their commonest spelling: read, decoded and answered before the request is routed
// as the `Api` declares it. Everything else, what carries no single key, and what does not fit its schema goes that way.
import { Context, Effect, Exit, Option, type Redacted, type Schema, SchemaParser } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import { ProfileRequest, RefreshRequest } from "../api/Sessions.ts"
import type { ApiKeyRepository } from "../services/ApiKeyRepository.ts"
import type { AuditLog } from "../services/AuditLog.ts"
import type { EventBus } from "../services/EventBus.ts"
import type { RateLimits } from "../services/RateLimits.ts"
import type { TokenCodec } from "../services/TokenCodec.ts"
import type { TokenStore } from "../services/TokenStore.ts"
import { secretKey } from "./Credentials.ts"
import { refresh, signIn } from "./handlers/Sessions.ts"
import { nameRoute } from "./NameRoute.ts"

type Request = HttpServerRequest.HttpServerRequest

/** Of a known length, so that it is known to be short enough, and sent without being asked for. */
const isPlain = ({ headers }: Request): boolean =>
  headers["content-type"] === "application/json" && headers["content-length"] !== undefined &&
  headers["expect"] === undefined

const parseJson = (text: string): Option.Option<unknown> => {
  try {
    return Option.some(JSON.parse(text))
  } catch {
    return Option.none()
  }
}

const decoder = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  SchemaJITCompiler.enable(schema.ast)
  const decode = SchemaParser.decodeUnknownExit(schema)
  return (text: string): S["Type"] | undefined => {
    const json = parseJson(text)
    if (Option.isNone(json)) return undefined
    const decoded = decode(json.value)
    return Exit.isSuccess(decoded) ? decoded.value : undefined
  }
}

const decodeProfile = decoder(ProfileRequest)
const decodeRefresh = decoder(RefreshRequest)

const presentedKey = (request: Request): Redacted.Redacted | undefined => {
  const presented = secretKey(request)
  return presented._tag === "Credential" ? presented.credential : undefined
}

type Flows = ApiKeyRepository | AuditLog | EventBus | RateLimits | TokenCodec | TokenStore

type Answered = Effect.Effect<object, HttpServerRespondable.Respondable, Flows | HttpServerRequest.HttpServerRequest>

/** From the body to what it asks for, if that is one of the calls here. */
const reader = (request: Request): ((body: string) => Answered | undefined) | undefined => {
  switch (request.url) {
    case "/api/auth/auto": {
      const key = presentedKey(request)
      if (key === undefined) return undefined
      return (body) => {
        const profile = decodeProfile(body)
        return profile === undefined ? undefined : signIn(key, profile)
      }
    }
    case "/api/token/refresh":
      return (body) => {
        const payload = decodeRefresh(body)
        return payload === undefined ? undefined : refresh(payload, request)
      }
    default:
      return undefined
  }
}

export const layer = HttpRouter.middleware(
  Effect.gen(function* () {
    const context = yield* Effect.context<Flows>()
    return (app) =>
      Effect.withFiber((fiber) => {
        const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
        if (request.method !== "POST" || !isPlain(request)) return app
        const read = reader(request)
        if (read === undefined) return app
        return Effect.flatMap(request.text, (body) => {
          const answered = read(body)
          if (answered === undefined) return app
          nameRoute(fiber, request.url)
          return answered.pipe(
            Effect.map((answer) => HttpServerResponse.jsonUnsafe(answer)),
            Effect.catch(HttpServerRespondable.toResponse),
            Effect.updateContext((own: Context.Context<HttpServerRequest.HttpServerRequest>) =>
              Context.merge(context, own)
            )
          )
        }).pipe(Effect.interruptible)
      })
  }),
  { global: true }
)
