// The four calls that are made most, in their commonest spelling: `GET /api/me` by whom is remembered, sign-in by a backend
// or by a password, and refresh. They are read and answered before there is a request of the platform's, and before it is
// routed as the `Api` declares it. Everything else, what carries no single credential, and what does not fit its schema
// goes that way.
import { Cause, Effect, Exit, type Fiber, Option, Redacted, Schema, SchemaParser } from "effect"
import { HttpServerRespondable, HttpServerResponse } from "effect/http"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import { bearer } from "../api/Bearer.ts"
import { PasswordRequest, ProfileRequest, RefreshRequest } from "../api/Sessions.ts"
import { toMe } from "../api/User.ts"
import type { SessionPrincipal } from "../domain/Principal.ts"
import type { User } from "../domain/User.ts"
import { recallPrincipal } from "../flows/sessions/Authenticate.ts"
import type { ApiKeyRepository } from "../services/ApiKeyRepository.ts"
import type { AuditLog } from "../services/AuditLog.ts"
import type { EventBus } from "../services/EventBus.ts"
import type { PasswordHasher } from "../services/PasswordHasher.ts"
import type { RateLimits } from "../services/RateLimits.ts"
import { RecentSessions } from "../services/RecentSessions.ts"
import { TokenCodec } from "../services/TokenCodec.ts"
import type { TokenStore } from "../services/TokenStore.ts"
import type { UserRepository } from "../services/UserRepository.ts"
import { clientAddress, TrustProxy } from "./ClientAddress.ts"
import * as Cors from "./Cors.ts"
import { type Presented, secretKey } from "./Credentials.ts"
import * as Edge from "./Edge.ts"
import { logIn, refresh, signIn } from "./handlers/Sessions.ts"

type Response = HttpServerResponse.HttpServerResponse

export type Flows =
  | ApiKeyRepository
  | AuditLog
  | EventBus
  | PasswordHasher
  | RateLimits
  | TokenCodec
  | TokenStore
  | UserRepository

type Ended = Exit.Exit<object, HttpServerRespondable.Respondable>

export interface Call {
  readonly run: () => Fiber.Fiber<object, HttpServerRespondable.Respondable>
  /** Sends what is answered when it ended like this. The answer is for a caller who is still there, and counted if it is made. */
  readonly respond: (ended: Ended, send: (answer: () => Response) => void) => void
}

/** What becomes of a request, if it is one of these. */
export type Direct =
  | { readonly _tag: "Answered"; readonly response: Response }
  | {
    readonly _tag: "Asked"
    /** Bytes of its body. */
    readonly length: number
    /** What the body asks for; `undefined`: it does not fit, and goes the declared way. */
    readonly call: (body: string) => Call | undefined
  }

/** Bytes of a body that need not be read as a stream. */
const maxLength = 16_384

const bodyLength = ({ headers }: Edge.Asked): number | undefined => {
  if (headers["content-type"] !== "application/json") return undefined
  const length = Number(headers["content-length"])
  return length > 0 && length <= maxLength ? length : undefined
}

const hasBody = ({ headers }: Edge.Asked): boolean =>
  headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined

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
const decodePassword = decoder(PasswordRequest)
/** As it is on the wire: the compiler leaves transformations to the interpreter, which takes thrice as long. */
const decodeRefresh = decoder(Schema.toEncoded(RefreshRequest))

/** Whoever ended the call, perhaps several with it, must not be thrown at. */
const attempt = (make: () => Response): Exit.Exit<Response> => {
  try {
    return Exit.succeed(make())
  } catch (error) {
    return Exit.die(error)
  }
}

const credential = (presented: Presented): Redacted.Redacted | undefined =>
  presented._tag === "Credential" ? presented.credential : undefined

/** As text, which goes out together with the head. */
const json = (body: object): Response => {
  const text = JSON.stringify(body)
  return HttpServerResponse.raw(text, {
    contentType: "application/json",
    contentLength: Buffer.byteLength(text)
  })
}

export const make = Effect.gen(function* () {
  const exchange = yield* Edge.exchange
  const mark = yield* Cors.mark
  const codec = yield* TokenCodec
  const recent = yield* RecentSessions
  const hops = yield* TrustProxy
  const services = yield* Effect.context<Flows>()

  /** Of users as they were read, which are others once they change; of as many, and as small, as are remembered. */
  const written = new WeakMap<User, Response>()

  const write = ({ tenantId, user }: SessionPrincipal): Response => {
    let response = written.get(user)
    if (response === undefined) {
      response = json(toMe(tenantId, user))
      written.set(user, response)
    }
    return response
  }

  const me = (request: Edge.Asked): Direct | undefined => {
    const text = hasBody(request) ? undefined : bearer(request.headers.authorization)
    const token = text === undefined ? undefined : Option.getOrUndefined(codec.hashToken(text))
    const principal = token === undefined ? undefined : recallPrincipal(token, codec, recent)
    if (principal === undefined) return undefined
    const { answer } = exchange(request)
    return {
      _tag: "Answered",
      response: mark(request.headers.origin, answer(write(principal)))
    }
  }

  const asked = (
    request: Edge.Asked,
    read: (body: string) => Effect.Effect<object, HttpServerRespondable.Respondable, Flows> | undefined
  ): Direct | undefined => {
    const length = bodyLength(request)
    return length === undefined ? undefined : {
      _tag: "Asked",
      length,
      call: (body) => {
        const flow = read(body)
        if (flow === undefined) return undefined
        const { answer, interrupted, within, wrap } = exchange(request)
        const marked = (response: Response) => mark(request.headers.origin, response)
        const respond: Call["respond"] = (ended, send) => {
          // What went well, which is most, needs no further fiber.
          if (Exit.isSuccess(ended)) {
            const made = attempt(() => marked(answer(json(ended.value))))
            return Exit.isSuccess(made) ? send(() => made.value) : respond(made, send)
          }
          if (Cause.hasInterruptsOnly(ended.cause)) return send(() => marked(interrupted()))
          const refused = Effect.catch(Effect.failCause(ended.cause), HttpServerRespondable.toResponse).pipe(
            wrap,
            Effect.tapCause((cause) => Effect.logError("A direct call was not answered", cause))
          )
          Effect.runForkWith(services)(refused).addObserver((exit) => {
            send(() => marked(Exit.isSuccess(exit) ? exit.value : interrupted()))
          })
        }
        return { run: () => Effect.runForkWith(within(services))(flow), respond }
      }
    }
  }

  return (request: Edge.Asked): Direct | undefined => {
    if (request.method === "GET") return request.url === "/api/me" ? me(request) : undefined
    if (request.method !== "POST") return undefined
    switch (request.url) {
      case "/api/auth/auto": {
        const key = credential(secretKey(request))
        return key === undefined ? undefined : asked(request, (body) => {
          const profile = decodeProfile(body)
          return profile === undefined ? undefined : signIn(key, profile)
        })
      }
      case "/api/auth/token":
        return asked(request, (body) => {
          const payload = decodePassword(body)
          return payload === undefined ? undefined : logIn(payload, clientAddress(request, hops))
        })
      case "/api/token/refresh":
        return asked(request, (body) => {
          const payload = decodeRefresh(body)
          return payload === undefined
            ? undefined
            : refresh({ refresh_token: Redacted.make(payload.refresh_token) }, clientAddress(request, hops))
        })
    }
    return undefined
  }
})
