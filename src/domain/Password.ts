// What a password may be. Any character counts; length and a list of the commonest are the only rules (NIST SP 800-63B).
import { Context, Redacted, Schema, SchemaGetter } from "effect"
import { StorableText } from "./Text.ts"

const nfc = SchemaGetter.transform((text: string) => text.normalize("NFC"))

/** A password as a person typed it, in NFC: two keyboards that compose an accent differently mean the same password. */
export const Password = Schema.RedactedFromValue(
  StorableText.check(Schema.isBetweenLength(1, 1024, { message: "Expected 1 to 256 characters" })).pipe(
    Schema.decodeTo(
      Schema.String.check(Schema.isBetweenCodePoints(1, 256, { message: "Expected 1 to 256 characters" })),
      { decode: nfc, encode: nfc }
    )
  ),
  { label: "password" }
)
export type Password = typeof Password.Type

export interface PasswordPolicy {
  /** Fewest characters (code points) of a new password. */
  readonly minLength: number
}

export const PasswordPolicy = Context.Reference<PasswordPolicy>("roomkey/domain/PasswordPolicy", {
  defaultValue: () => ({ minLength: 8 })
})

export class WeakPassword extends Schema.TaggedError<WeakPassword>()("WeakPassword", {
  reason: Schema.Literals(["too_short", "too_common", "is_username"]),
  minLength: Schema.Int
}) {}

/** The first rule that `password` breaks, if any. `isCommon` is asked with the password in lower case. */
export const weakness = (
  password: Password,
  context: { readonly username: string; readonly minLength: number; readonly isCommon: (lower: string) => boolean }
): WeakPassword | undefined => {
  const text = Redacted.value(password)
  const lower = text.toLowerCase()
  const weak = (reason: WeakPassword["reason"]) => new WeakPassword({ reason, minLength: context.minLength })
  if (Array.from(text).length < context.minLength) return weak("too_short")
  if (lower === context.username.toLowerCase()) return weak("is_username")
  if (context.isCommon(lower)) return weak("too_common")
  return undefined
}

/** Unknown app, unknown user, no password and wrong password are one answer, so that none can be told apart. */
export class InvalidCredentials extends Schema.TaggedError<InvalidCredentials>()("InvalidCredentials", {}) {}
