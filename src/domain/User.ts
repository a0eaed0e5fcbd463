// A tenant's user and the rules of its profile fields. The username is compared exactly, after NFC.
import { Schema } from "effect"
import { UserId } from "./Ids.ts"
import { displayName, jsonProblem, StorableText } from "./Text.ts"

export const Username = displayName(128).pipe(Schema.brand("Username"))
export type Username = typeof Username.Type

export const CustomId = StorableText.check(
  Schema.isBetweenCodePoints(1, 128, { message: "Expected 1 to 128 characters" })
).pipe(Schema.brand("CustomId"))
export type CustomId = typeof CustomId.Type

const isHttpUrl = (text: string): boolean => {
  if (/[\s\p{Cc}]/u.test(text)) return false
  const url = URL.parse(text)
  return url !== null && (url.protocol === "https:" || url.protocol === "http:") && /^https?:\/\//i.test(text)
}

export const PictureUrl = StorableText.check(
  Schema.isMaxLength(2048, { message: "Expected at most 2048 characters" }),
  Schema.makeFilter((text: string) => isHttpUrl(text) || "Expected an absolute http or https URL")
).pipe(Schema.brand("PictureUrl"))
export type PictureUrl = typeof PictureUrl.Type

export type JsonObject = { readonly [key: string]: unknown }

const maxMetadataBytes = 16 * 1024
const maxMetadataDepth = 64

/**
 * Any JSON object of at most 16 KiB encoded (and 64 levels). The object is kept as it was parsed rather than rebuilt,
 * so that a key such as `__proto__` stays data.
 */
export const Metadata = Schema.declare(
  (input: unknown): input is JsonObject => typeof input === "object" && input !== null && !Array.isArray(input),
  { expected: "a JSON object", toJsonSchema: () => ({ type: "object" }) }
).check(
  Schema.makeFilter((metadata: JsonObject) => {
    const problem = jsonProblem(metadata, maxMetadataDepth)
    if (problem !== undefined) return problem
    const bytes = new TextEncoder().encode(JSON.stringify(metadata)).byteLength
    return bytes <= maxMetadataBytes || "Expected at most 16 KiB of JSON"
  })
)
export type Metadata = typeof Metadata.Type

/** What a tenant's backend says of its user: absent fields follow the rules of `POST /api/auth/auto`. */
export interface Profile {
  readonly username: Username
  readonly customId?: CustomId | undefined
  readonly pictureUrl?: PictureUrl | undefined
  readonly metadata?: Metadata | undefined
}

export interface User {
  readonly id: UserId
  readonly username: string
  readonly customId: string | null
  readonly pictureUrl: string | null
  readonly metadata: JsonObject | null
}

export class UserBanned extends Schema.TaggedError<UserBanned>()("UserBanned", { userId: UserId }) {}

export class UserNotFound extends Schema.TaggedError<UserNotFound>()("UserNotFound", {}) {}

export class UsernameTaken extends Schema.TaggedError<UsernameTaken>()("UsernameTaken", {}) {}

export class CustomIdTaken extends Schema.TaggedError<CustomIdTaken>()("CustomIdTaken", {}) {}

export class CustomIdImmutable extends Schema.TaggedError<CustomIdImmutable>()("CustomIdImmutable", {}) {}
