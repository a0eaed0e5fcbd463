// How a command reaches a running instance: where, with which key, and what it says when that fails.
import { Config, Effect, FileSystem, Option, Path, Redacted, Schema } from "effect"
import { Flag } from "effect/cli"
import { HttpClient, HttpClientError, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Api } from "../api/Api.ts"
import { FieldError } from "../api/Problems.ts"
import { adminKey, AdminKeyText, dataDir } from "../Config.ts"
import { pathOf } from "../server/AdminKeyFile.ts"
import * as Output from "./Output.ts"

const isInstance = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === ""
}

const url = Flag.String("url").pipe(
  Flag.withDescription("Where Roomkey runs (ROOMKEY_URL)"),
  Flag.withFallbackConfig(Config.NonEmptyString("ROOMKEY_URL")),
  Flag.withDefault("http://localhost:4000"),
  // The text may hold a password: it is not repeated.
  Flag.filter(isInstance, () => "Expected an http or https URL without user and password"),
  Flag.map((text) => text.replace(/\/+$/, ""))
)

/** Of every command that calls an instance. */
export const flags = { url, json: Output.json }

/** Of every command that speaks for a tenant. The key itself is no option: arguments show in `ps`. */
export const tenantFlags = {
  ...flags,
  apiKeyFile: Flag.File("api-key-file").pipe(
    Flag.withDescription("Read the API key from this file (else ROOMKEY_API_KEY)"),
    Flag.optional
  )
}

export class MissingKey extends Schema.TaggedError<MissingKey>()("MissingKey", { message: Schema.String }) {}

/** Nobody answered; whether the call was done is unknown. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {
  url: Schema.String,
  why: Schema.UndefinedOr(Schema.String)
}) {
  override get message(): string {
    return `cannot reach ${this.url}${this.why === undefined ? "" : ` (${this.why})`}`
  }
}

/** The instance answered with a problem. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  status: Schema.Int,
  code: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.code}: ${this.detail}`
  }
}

/** What answers there is not Roomkey, or not one that this program knows. */
export class Unexpected extends Schema.TaggedError<Unexpected>()("Unexpected", {
  url: Schema.String,
  status: Schema.UndefinedOr(Schema.Int)
}) {
  override get message(): string {
    const status = this.status === undefined ? "" : ` (status ${this.status})`
    return `${this.url} does not answer as Roomkey does${status}`
  }
}

export type CallFailed = Unreachable | Refused | Unexpected

const Problem = Schema.Struct({
  status: Schema.Int,
  code: Schema.String,
  title: Schema.String,
  detail: Schema.optional(Schema.String),
  errors: Schema.optional(Schema.Array(FieldError))
})

export const describe = (errors: ReadonlyArray<typeof FieldError.Type>): string =>
  errors.map(({ message, path }) => path === "" ? message : `${path}: ${message}`).join("; ")

const toRefused = ({ code, detail, errors = [], status, title }: typeof Problem.Type) =>
  new Refused({ status, code, detail: errors.length === 0 ? detail ?? title : describe(errors) })

const decodeProblem = Schema.decodeUnknownEffect(Problem)

/** Makes one failure of the many that the typed client knows: which problem it was is in its code. */
const call = (url: string) => {
  const toFailure = (error: unknown): Effect.Effect<CallFailed> => {
    if (!HttpClientError.isHttpClientError(error)) {
      return decodeProblem(error).pipe(
        Effect.map(toRefused),
        Effect.catch(() => Effect.succeed(new Unexpected({ url, status: undefined })))
      )
    }
    const { reason, response } = error
    if (response === undefined) {
      const why = reason._tag === "TransportError" ? reason.description : undefined
      return Effect.succeed(new Unreachable({ url, why: Output.errorCode(reason.cause) ?? why }))
    }
    return response.json.pipe(
      Effect.flatMap(decodeProblem),
      Effect.map(toRefused),
      Effect.catch(() => Effect.succeed(new Unexpected({ url, status: response.status })))
    )
  }
  return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, CallFailed, R> =>
    Effect.catch(effect, (error) => Effect.flatMap(toFailure(error), Effect.fail))
}

/** Longer than an instance takes to say that it cannot answer. */
const patience = "30 seconds"

const impatient = HttpClient.transform<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
  (effect, request) =>
    Effect.timeoutOrElse(effect, {
      duration: patience,
      orElse: () =>
        Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({ request, description: `no answer within ${patience}` })
          })
        )
    })
)

export interface Options {
  /** What is to be done about calls that fail in passing. */
  readonly retry?: (client: HttpClient.HttpClient) => HttpClient.HttpClient
}

const connect = (url: string, key: Redacted.Redacted, { retry = (client) => client }: Options = {}) =>
  HttpApiClient.make(Api, {
    baseUrl: url,
    transformClient: (client) =>
      client.pipe(HttpClient.mapRequest(HttpClientRequest.bearerToken(key)), impatient, retry)
  }).pipe(Effect.map((client) => ({ client, call: call(url) })))

const missingAdminKey = (path: string) =>
  new MissingKey({ message: `no admin key: ROOMKEY_ADMIN_KEY is not set and ${path} cannot be read` })

const notAKey = (where: string, form: string) => new MissingKey({ message: `${where} holds no ${form}` })

const adminKeyForm = "admin key: vc_admin_ and 64 lower-case hex characters"
const apiKeyForm = "API key: vc_ and 64 lower-case hex characters"

const findAdminKey = Effect.gen(function* () {
  const fromEnvironment = yield* Effect.mapError(adminKey, () => notAKey("ROOMKEY_ADMIN_KEY", adminKeyForm))
  if (Option.isSome(fromEnvironment)) return fromEnvironment.value
  const files = yield* FileSystem.FileSystem
  const path = pathOf({ dataDir: yield* Effect.orDie(dataDir) })
  const text = yield* Effect.mapError(files.readFileString(path), () => missingAdminKey(path))
  return yield* Schema.decodeEffect(Schema.RedactedFromValue(AdminKeyText))(text.trim()).pipe(
    Effect.mapError(() => notAKey(path, adminKeyForm))
  )
})

const isApiKey = (text: string): boolean => /^vc_[0-9a-f]{64}$/.test(text)

const findApiKey = Effect.fnUntraced(function* (file: Option.Option<string>) {
  if (Option.isSome(file)) {
    const files = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const shown = path.relative(path.resolve("."), file.value)
    const text = yield* Effect.mapError(
      files.readFileString(file.value),
      () => new MissingKey({ message: `no API key: ${shown} cannot be read` })
    )
    return isApiKey(text.trim()) ? Redacted.make(text.trim()) : yield* notAKey(shown, apiKeyForm)
  }
  const fromEnvironment = yield* Effect.orDie(Config.option(Config.Redacted("ROOMKEY_API_KEY")))
  if (Option.isNone(fromEnvironment)) {
    return yield* new MissingKey({ message: "no API key: set ROOMKEY_API_KEY, or name a file with --api-key-file" })
  }
  const key = fromEnvironment.value
  return isApiKey(Redacted.value(key)) ? key : yield* notAKey("ROOMKEY_API_KEY", apiKeyForm)
})

/** Speaks for the operator. */
export const asOperator = Effect.fnUntraced(function* ({ url }: { readonly url: string }) {
  return yield* connect(url, yield* findAdminKey)
})

export interface Tenant {
  readonly url: string
  readonly apiKeyFile: Option.Option<string>
}

/** Speaks for a tenant's backend. */
export const asTenant = Effect.fnUntraced(function* ({ apiKeyFile, url }: Tenant, options: Options = {}) {
  return yield* connect(url, yield* findApiKey(apiKeyFile), options)
})
